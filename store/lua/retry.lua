-- retry: run a job again that has ended.
-- Promise: it starts as if new, at the end of its priority; its token and the history of its attempts stay, so that no
--   earlier attempt can write to it. It takes its unique key again, or is refused. A repeat of the last retry does nothing, whatever has become of the job.
-- KEYS  1 job (hash)  2 meta (hash)
-- ARGV  1 base  2 id  3 what the request calls itself
-- Returns {'ok'} | {'missing'} | {'not_ended', status} | {'not_unique', id, status}
-- include: clock
-- include: telling
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: storing
-- include: webhooks
-- include: ended
-- include: unique
local job, meta = KEYS[1], KEYS[2]
local base, id, request = ARGV[1], ARGV[2], ARGV[3]

local last_retry, unique = unpack(redis.call('HMGET', job, 'last_retry', 'unique'))
if last_retry == request then return {'ok'} end
local holder = unique and holder_of_key(base, unique)
if holder and holder[1] ~= id then return {'not_unique', holder[1], holder[2]} end
local refused = take_ended(base, id)
if refused then return refused end
local found = redis.call('HMGET', job, 'queue', 'priority')
local sequence = integer(redis.call('HINCRBY', meta, 'sequence', 1))
redis.call('HSET', job, 'status', 'pending', 'sequence', sequence, 'run_at_ms', integer(now),
  'attempt', 0, 'failures', 0, 'crashes', 0, 'last_retry', request)
redis.call('HDEL', job, 'cancel_requested_ms', 'cancelled_by', 'stack', 'stack_ms', 'reason', 'error', 'result', 'receipt',
  'ended_ms', 'expires_ms', 'unhandled_ms', 'progress', 'progress_ms', 'no_stack', 'ahead')
if unique then take_key(base, unique, id) end
redis.call('PERSIST', job)
redis.call('PERSIST', job .. ':log')
put_ready(base, id, found[1], found[2], sequence)
tell(base, 'returned', id)
wake(base, found[1])
return {'ok'}
