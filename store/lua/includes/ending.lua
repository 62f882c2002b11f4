-- Ending jobs: their terminal state, their index, their retention.

local function retention(first)
  return {keep = tonumber(ARGV[first]), keep_failed = tonumber(ARGV[first + 1]), keep_jobs = tonumber(ARGV[first + 2])}
end

local function keep_ms(status, limits) return status == 'failed' and limits.keep_failed or limits.keep end

-- Deletes what is over age or number, at most two for each that came: more leave than come, and no call of 200 takes
-- long.
local function trim_ended(base, status, limits, came)
  local index = base .. 'ended:' .. status
  local over_age = redis.call('ZCOUNT', index, '-inf', integer(now - keep_ms(status, limits)))
  local surplus = math.min(math.max(over_age, redis.call('ZCARD', index) - limits.keep_jobs), 2 * came)
  for _, id in ipairs(surplus > 0 and redis.call('ZRANGE', index, 0, surplus - 1) or {}) do
    redis.call('ZREM', index, id)
    -- Its own TTL may have taken the job, and its id may have come again since.
    if redis.call('HGET', base .. 'job:' .. id, 'status') == status then redis.call('UNLINK', base .. 'job:' .. id) end
  end
end

-- Enters jobs whose record says `status` into its index.
local function file_ended(base, status, ids, limits)
  local entries = {}
  for i, id in ipairs(ids) do entries[2 * i - 1], entries[2 * i] = integer(now), id end
  redis.call('ZADD', base .. 'ended:' .. status, unpack(entries))
  trim_ended(base, status, limits, #ids)
end

-- Ends a job that was taken out of where it waited.
local function end_job(base, id, status, limits)
  local job = base .. 'job:' .. id
  redis.call('HSET', job, 'status', status, 'ended_ms', integer(now))
  redis.call('PEXPIRE', job, integer(keep_ms(status, limits)))
  redis.call('ZREM', base .. 'expiring', id)
  file_ended(base, status, {id}, limits)
end

-- A job expires when its time has passed and no attempt has been spent on it.
local function is_expired(expires_ms, failures, crashes)
  return expires_ms and tonumber(expires_ms) <= now and tonumber(failures) + tonumber(crashes) == 0
end

-- Takes a job that waits out of its state index.
local function remove_waiting(base, id, status, queue)
  redis.call('ZREM', status == 'pending' and base .. 'ready:' .. queue or base .. 'scheduled', id)
end
