-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none; a job and its index entry appear together; a repeat with a known id changes nothing and answers
--   as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 scheduled (zset)  4 expiring (zset)
-- ARGV  1 base  2 how many queues may exist  3 number of jobs; then for each: id, type, queue, priority, payload, delay ms,
--       run at (ms or ''), expires at (ms or ''), n, n more items: field, value, …
-- Returns {'ok', first status…} | {'expired', id} | {'too_many_queues', queue}
-- include: clock
-- include: queueing
local meta, queues, scheduled, expiring = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local base, max_queues, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local position = 3
local function take()
  position = position + 1
  return ARGV[position]
end

local function read_job()
  local job = {id = take(), type = take(), queue = take(), priority = take(), payload = take()}
  local delay, run_at, expires = tonumber(take()), tonumber(take()), tonumber(take())
  job.due = math.max(run_at or now + delay, now)
  job.expires, job.extra = expires, {}
  for i = 1, tonumber(take()) do job.extra[i] = take() end
  return job
end

local function store(job)
  local key, sequence = base .. 'job:' .. job.id, redis.call('HINCRBY', meta, 'sequence', 1)
  local status = job.due > now and 'scheduled' or 'pending'
  redis.call('HSET', key, 'type', job.type, 'queue', job.queue, 'priority', job.priority, 'status', status,
    'created_ms', integer(now), 'run_at_ms', integer(job.due), 'sequence', integer(sequence), 'first_status', status,
    'attempt', 0, 'failures', 0, 'crashes', 0, 'payload', job.payload, unpack(job.extra))
  if job.expires then
    redis.call('HSET', key, 'expires_ms', integer(job.expires))
    redis.call('ZADD', expiring, integer(job.expires), job.id)
  end
  if status == 'pending' then
    put_ready(base, job.id, job.queue, job.priority, sequence)
  else
    put_scheduled(base, job.id, job.queue, job.due)
  end
  return status
end

-- First everything is checked, then anything is written.
local jobs, known, fresh_queues, answer = {}, {}, {}, {'ok'}
local queue_count = redis.call('SCARD', queues)
for i = 1, count do
  local job = read_job()
  local first_status = redis.call('HGET', base .. 'job:' .. job.id, 'first_status')
  jobs[i], known[job.id] = job, first_status
  if not first_status and job.expires and job.expires <= job.due then return {'expired', job.id} end
  if not first_status and not fresh_queues[job.queue] and redis.call('SISMEMBER', queues, job.queue) == 0 then
    fresh_queues[job.queue], queue_count = true, queue_count + 1
    if queue_count > max_queues then return {'too_many_queues', job.queue} end
  end
end

for queue in pairs(fresh_queues) do redis.call('SADD', queues, queue) end
local woken = {}
for i, job in ipairs(jobs) do
  if not known[job.id] then
    known[job.id] = store(job)
    if known[job.id] == 'pending' then woken[job.queue] = true end
  end
  answer[i + 1] = known[job.id]
end
for queue in pairs(woken) do wake(base, queue) end
return answer
