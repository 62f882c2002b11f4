-- position: where a job that waits stands in line.
-- Promise: changes nothing.
-- KEYS  1 job (hash)
-- ARGV  1 base  2 id
-- Returns {jobs before it, jobs pending in its queue}, the first -1 when it does not stand in line
local found = redis.call('HMGET', KEYS[1], 'status', 'queue')
if found[1] ~= 'pending' or not found[2] then return {-1, 0} end
local ready = ARGV[1] .. 'ready:' .. found[2]
local rank = redis.call('ZRANK', ready, ARGV[2])
return {rank or -1, redis.call('ZCARD', ready)}
