-- cancel: end a job that has not started; flag one that runs for the kill.
-- Promise: a cancel that is accepted is kept: a flagged attempt that does not succeed ends the job.
-- KEYS  1 job (hash)  2 scheduled (zset)  3 expiring (zset)
-- ARGV  1 base  2 id  3 4 5 retention  6 JSON of who and why
-- Returns {'cancelled'} | {'cancelling'} | {'ended', status} | {'missing'}
-- include: relief
-- include: clock
-- include: tagging
-- include: closing
-- include: ending
-- include: hint
-- include: queueing
-- include: storing
-- include: webhooks
local job, scheduled, expiring = KEYS[1], KEYS[2], KEYS[3]
local base, id, limits, note = ARGV[1], ARGV[2], retention(3), ARGV[6]

local found = redis.call('HMGET', job, 'status', 'queue', 'owner', 'epoch', 'token', 'expires_ms', 'failures', 'crashes')
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
end
hint(base, found[3], 'cancel')
return {'cancelling'}
