-- read: one job, whole, with the time at which it was read.
-- Promise: changes nothing.
-- KEYS  1 job (hash)
-- ARGV  none
-- Returns {now ms, {field, value, …}}, the second empty when there is no such job
-- include: clock
return {integer(now), redis.call('HGETALL', KEYS[1])}
