-- Cancelling: a job that has not started ends, one that runs is flagged for the kill.

-- Returns what `cancel` does.
local function cancel_job(base, id, limits, note)
  local job = base .. 'job:' .. id
  local found = redis.call('HMGET', job, 'status', 'queue', 'owner', 'epoch', 'token', 'expires_ms', 'failures',
    'crashes')
  local status = found[1]
  if not status then return {'missing'} end
  if status == 'cancelled' then return {'cancelled'} end
  if status == 'pending' or status == 'scheduled' then
    local next = is_expired(found[6], found[7], found[8]) and 'expired' or 'cancelled'
    remove_waiting(base, id, status, found[2])
    if next == 'cancelled' then redis.call('HSET', job, 'cancelled_by', note) end
    end_job(base, id, next, limits)
    return next == 'expired' and {'ended', next} or {'cancelled'}
  end
  if status ~= 'running' then return {'ended', status} end
  if redis.call('HSETNX', job, 'cancel_requested_ms', integer(now)) == 1 then
    redis.call('HSET', job, 'cancelled_by', note)
    redis.call('HSET', base .. 'cancels:' .. found[3] .. ':' .. found[4], id, found[5] .. ' ' .. note)
    tell(base, 'cancelling', id)
  end
  hint(base, found[3], 'cancel')
  return {'cancelling'}
end
