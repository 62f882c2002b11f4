-- due: which schedules are due.
-- Promise: changes nothing.
-- KEYS  1 schedules (zset)
-- ARGV  1 base  2 how many at most
-- Returns {now ms, ms until the next is due or -1, {name, revision, next due, timing, misfire, grace, template, payload} …}
-- include: clock
-- include: hint
-- include: dues
local schedules, base, most = KEYS[1], ARGV[1], ARGV[2]
local answer = {integer(now), fire_in(schedules)}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', schedules, '-inf', integer(now), 'LIMIT', 0, most)) do
  local record = base .. 'schedule:' .. name
  answer[#answer + 1] = {name, unpack(redis.call('HMGET', record, 'revision', 'next_due_ms', 'timing', 'misfire',
    'grace_ms', 'template', 'payload'))}
end
return answer
