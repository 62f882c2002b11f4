-- Doing something with a job that has ended, and only then.

local ENDED = {succeeded = true, failed = true, cancelled = true, expired = true}

-- Takes the job out of its state index. Returns nil, or the refusal: {'missing'} | {'not_ended', status}.
local function take_ended(base, id)
  local job = base .. 'job:' .. id
  local found = redis.call('HMGET', job, 'status', 'queue', 'expires_ms', 'failures', 'crashes', 'at_end')
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
  close_job(base, id, 'expired', found[6])
  return nil
end
