-- pause: claim nothing more from a queue, or from any.
-- Promise: who paused first, and when, stays until it is resumed: a repeat changes nothing.
-- KEYS  1 paused (hash)
-- ARGV  1 queue or *  2 note of who and why (opaque)
-- Returns 'ok'
-- include: clock
local paused = KEYS[1]
local queue, note = ARGV[1], ARGV[2]
redis.call('HSETNX', paused, queue, integer(now) .. ' ' .. note)
return 'ok'
