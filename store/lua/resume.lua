-- resume: lift the pause of one queue, or the one of everything.
-- Promise: pauses of queues and the one of everything are independent; whoever can claim now is woken.
-- KEYS  1 paused (hash)  2 queues (set)
-- ARGV  1 base  2 queue or *
-- Returns 'ok'
-- include: clock
-- include: telling
-- include: queueing
local paused, queues = KEYS[1], KEYS[2]
local base, queue = ARGV[1], ARGV[2]
if redis.call('HDEL', paused, queue) == 1 then tell_queue(base, 'resumed', queue) end
for _, name in ipairs(queue == '*' and redis.call('SMEMBERS', queues) or {queue}) do wake(base, name) end
return 'ok'
