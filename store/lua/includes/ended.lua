-- Doing something with a job that has ended, and only then.

local ENDED = {succeeded = true, failed = true, cancelled = true, expired = true}
local WAITING_OR_RUNNING = {scheduled = true, pending = true, running = true}

-- Takes the job out of its state index. Returns nil, or the refusal: {'missing'} | {'not_ended', status}.
local function take_ended(base, id)
  local job = base .. 'job:' .. id
  local found = redis.call('HMGET', job, 'status', 'queue', 'expires_ms', 'failures', 'crashes')
  local status = found[1]
  if not status then return {'missing'} end
  if ENDED[status] then
    redis.call('ZREM', base .. 'ended:' .. status, id)
    return nil
  end
  if status == 'running' or not is_expired(found[3], found[4], found[5]) then return {'not_ended', status} end
  -- Readers see it as expired already.
  remove_waiting(base, id, status, found[2])
  redis.call('ZREM', base .. 'expiring', id)
  redis.call('HSET', job, 'status', 'expired')
  return nil
end

-- Whether the record is there, and its status is none: somebody else has written it.
local function is_damaged(base, id)
  local job = base .. 'job:' .. id
  local status = redis.call('HGET', job, 'status')
  if not status then return redis.call('EXISTS', job) == 1 end
  return not (ENDED[status] or WAITING_OR_RUNNING[status])
end

-- Takes a job out of every state index: its record does not tell in which it stands.
local function take_damaged(base, id)
  local found = redis.call('HMGET', base .. 'job:' .. id, 'owner', 'epoch')
  if found[1] and found[2] then redis.call('HDEL', base .. 'running:' .. found[1] .. ':' .. found[2], id) end
  for _, queue in ipairs(redis.call('SMEMBERS', base .. 'queues')) do redis.call('ZREM', base .. 'ready:' .. queue, id) end
  for status in pairs(ENDED) do redis.call('ZREM', base .. 'ended:' .. status, id) end
  redis.call('ZREM', base .. 'scheduled', id)
  redis.call('ZREM', base .. 'expiring', id)
end
