-- hold: pause a schedule, or resume it.
-- Promise: who paused first, and when, stays until it is resumed: a repeat changes nothing. What would have been due
--   meanwhile is not made up for.
-- KEYS  1 record of the schedule (hash)
-- ARGV  1 base  2 name  3 note of who and why (opaque; '': resume)  4 timing that was read (opaque)
--       5 by it next due (ms or '': never)
-- Returns {'ok'} | {'missing'} | {'changed'}: it has another timing by now
-- include: clock
-- include: hint
-- include: dues
local record = KEYS[1]
local base, name, note, timing, due = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local found = redis.call('HMGET', record, 'timing', 'paused')
if not found[1] then return {'missing'} end
if found[1] ~= timing then return {'changed'} end
if note ~= '' and not found[2] then
  redis.call('HSET', record, 'paused', integer(now) .. ' ' .. note)
  set_due(base, record, name, '')
elseif note == '' and found[2] then
  redis.call('HDEL', record, 'paused')
  set_due(base, record, name, due)
  tell_supervisors(base)
end
return {'ok'}
