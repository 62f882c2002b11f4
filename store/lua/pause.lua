-- pause: claim nothing more from a queue, or from any.
-- Promise: who paused first, and when, stays until it is resumed: a repeat changes nothing.
-- KEYS  1 paused (hash)
-- ARGV  1 base  2 queue or *  3 note of who and why (opaque)
-- Returns 'ok'
-- include: clock
-- include: telling
local paused = KEYS[1]
local base, queue, note = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HSETNX', paused, queue, integer(now) .. ' ' .. note) == 1 then tell_queue(base, 'paused', queue) end
return 'ok'
