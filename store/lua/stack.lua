-- stack: keep with a running job the stack that its supervisor was asked for.
-- Promise: whoever lost the claim writes nothing.
-- KEYS  1 job (hash)
-- ARGV  1 name  2 epoch  3 token  4 stack  5 why there is none
-- Returns {'ok'} | {'stale'}
-- include: clock
-- include: holding
local job, holder, token, stack, missing = KEYS[1], {name = ARGV[1], epoch = ARGV[2]}, ARGV[3], ARGV[4], ARGV[5]

if not is_held(read_fields(job, {'status', 'owner', 'epoch', 'token'}), holder, token) then return {'stale'} end
redis.call('HSET', job, 'stack', stack, 'stack_ms', integer(now), 'no_stack', missing)
return {'ok'}
