-- Ending jobs: their terminal state, their index, their retention.

local function retention(first)
  return {keep = tonumber(ARGV[first]), keep_failed = tonumber(ARGV[first + 1]), keep_jobs = tonumber(ARGV[first + 2])}
end

local function keep_ms(status, limits) return status == 'failed' and limits.keep_failed or limits.keep end

-- A record outlives its retention by an hour: trimming takes it before, with all its index entries. Only where nobody
-- trims does it go by itself.
local function expire_record(job, status, limits, has_log)
  redis.call('PEXPIRE', job, keep_ms(status, limits) + 3600000)
  if has_log then redis.call('PEXPIRE', job .. ':log', keep_ms(status, limits) + 3600000) end
end

-- So many indexes a call looks through for jobs that it deletes.
local lookups = 2000

-- Takes a job out of the indexes `kind` of these names; a name without jobs leaves its register.
local function unfile(base, id, kind, register, names)
  lookups = lookups - #names
  for _, name in ipairs(names) do
    local index = base .. kind .. name
    if redis.call('ZREM', index, id) == 1 and redis.call('EXISTS', index) == 0 then
      redis.call('SREM', base .. register, name)
    end
  end
end

-- Deletes an ended job with its log and its entries in `created`, `by_type` and `by_tag`.
-- `type` is false when the job's own TTL has taken it: then its entries may stand under any type and tag.
local function forget(base, id, type, tags)
  local tag_names = type and {} or redis.call('SMEMBERS', base .. 'tags')
  for tag in each_tag(type and tags) do tag_names[#tag_names + 1] = tag end
  redis.call('UNLINK', base .. 'job:' .. id, base .. 'job:' .. id .. ':log')
  redis.call('ZREM', base .. 'created', id)
  unfile(base, id, 'by_type:', 'types', type and {type} or redis.call('SMEMBERS', base .. 'types'))
  unfile(base, id, 'by_tag:', 'tags', tag_names)
end

-- Deletes what is over age or number, `most` at most. Returns how many it has deleted, and how many are left to delete.
local function trim_ended(base, status, limits, most)
  local index = base .. 'ended:' .. status
  local over_age = redis.call('ZCOUNT', index, '-inf', integer(now - keep_ms(status, limits)))
  local surplus = math.max(over_age, redis.call('ZCARD', index) - limits.keep_jobs, 0)
  local step, deleted = math.min(surplus, most), 0
  for _, id in ipairs(step > 0 and redis.call('ZRANGE', index, 0, step - 1) or {}) do
    if lookups <= 0 then break end
    local found = redis.call('HMGET', base .. 'job:' .. id, 'status', 'type', 'tags')
    redis.call('ZREM', index, id)
    -- Its own TTL may have taken the job, and its id may have come again since.
    if not found[1] or found[1] == status then forget(base, id, found[2], found[3]) end
    deleted = deleted + 1
  end
  return deleted, surplus - deleted
end

-- Enters jobs whose record says `status` into its index, and trims it by at most two for each that came: more leave
-- than come, and no call of 200 takes long.
local function file_ended(base, status, ids, limits, ended_ms)
  local entries = {}
  for i, id in ipairs(ids) do entries[2 * i - 1], entries[2 * i] = ended_ms, id end
  redis.call('ZADD', base .. 'ended:' .. status, unpack(entries))
  trim_ended(base, status, limits, 2 * #ids)
end

-- Ends a job that was taken out of where it waited.
local function end_job(base, id, status, limits)
  local job = base .. 'job:' .. id
  -- Readers have seen it as expired since then, whenever we come.
  local found = redis.call('HMGET', job, 'expires_ms', 'log_bytes', 'at_end')
  local ended_ms = status == 'expired' and found[1] or integer(now)
  redis.call('HSET', job, 'status', status, 'ended_ms', ended_ms)
  expire_record(job, status, limits, found[2])
  redis.call('ZREM', base .. 'expiring', id)
  file_ended(base, status, {id}, limits, ended_ms)
  close_job(base, id, status, found[3])
end

-- A job expires when its time has passed and no attempt has been spent on it.
local function is_expired(expires_ms, failures, crashes)
  local expires = number(expires_ms)
  return expires and expires <= now and number(failures, 0) + number(crashes, 0) == 0
end

-- Takes a job that waits out of its state index.
local function remove_waiting(base, id, status, queue)
  redis.call('ZREM', status == 'pending' and base .. 'ready:' .. queue or base .. 'scheduled', id)
  if status == 'scheduled' then redis.call('HDEL', base .. 'job:' .. id, 'held') end
end
