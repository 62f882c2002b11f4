-- stack: keep with a running job the stack that its supervisor was asked for.
-- Promise: whoever lost the claim writes nothing.
-- KEYS  1 job (hash)
-- ARGV  1 name  2 epoch  3 token  4 stack
-- Returns {'ok'} | {'stale'}
-- include: clock
local job, name, epoch, token, stack = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local found = redis.call('HMGET', job, 'status', 'owner', 'epoch', 'token')
if found[1] ~= 'running' or found[2] ~= name or found[3] ~= epoch or found[4] ~= token then return {'stale'} end
redis.call('HSET', job, 'stack', stack, 'stack_ms', integer(now))
return {'ok'}
