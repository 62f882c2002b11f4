-- unschedule: forget a schedule; its jobs stay.
-- Promise: record and index entry go together.
-- KEYS  1 record of the schedule (hash)  2 schedules (zset)
-- ARGV  1 name
-- Returns {'ok'} | {'missing'}
local record, schedules, name = KEYS[1], KEYS[2], ARGV[1]
redis.call('ZREM', schedules, name)
return {redis.call('DEL', record) == 1 and 'ok' or 'missing'}
