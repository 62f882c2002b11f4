-- schedule: create a schedule, or replace it.
-- Promise: what is as it was changes nothing. While its timing stays it keeps when it is due next; paused it stays paused.
-- KEYS  1 record of the schedule (hash)  2 schedules (zset)
-- ARGV  1 base  2 name  3 what the request calls itself  4 how many schedules may exist  5 next due (ms or '': never)
--       6 definition  7 timing (both opaque); then field, value, …
-- Returns {'created'} | {'replaced'} | {'full'} | {'never'}
-- include: clock
-- include: hint
-- include: dues
local record, schedules = KEYS[1], KEYS[2]
local base, name, request, most, due = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local definition, timing = ARGV[6], ARGV[7]

local found = redis.call('HMGET', record, 'definition', 'timing', 'revision', 'paused', 'created_by')
if found[1] == definition then return {found[5] == request and 'created' or 'replaced'} end
if found[2] ~= timing and due == '' then return {'never'} end
if not found[1] and redis.call('ZCARD', schedules) >= most then return {'full'} end

local revision = math.max(now_us, number(found[3], 0) + 1)
redis.call('HSET', record, 'definition', definition, 'timing', timing, 'revision', integer(revision),
  'changed_ms', integer(now), unpack(ARGV, 8))
if not found[1] then redis.call('HSET', record, 'created_ms', integer(now), 'created_by', request) end
if found[2] ~= timing then
  set_due(base, record, name, found[4] and '' or due)
  tell_supervisors(base)
end
return {found[1] and 'replaced' or 'created'}
