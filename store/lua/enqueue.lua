-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none; a job and its index entry appear together; a repeat with a known id changes nothing and answers
--   as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 types (set)  4 scheduled (zset)  5 expiring (zset)  6 created (zset)
-- ARGV  1 base  2 how many queues may exist  3 how many types  4 number of jobs; then for each: id, type, queue, priority,
--       payload, delay ms, run at (ms or ''), expires at (ms or ''), n, n more items: field, value, …
-- Returns {'ok', first status…} | {'expired', id} | {'too_many_queues', queue} | {'too_many_types', type}
-- include: clock
-- include: arguments
-- include: queueing
local meta, queues, types, scheduled, expiring, created = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local base, max_queues, max_types, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local take = arguments_after(4)

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
  redis.call('ZADD', created, integer(now), job.id)
  redis.call('ZADD', base .. 'by_type:' .. job.type, integer(now), job.id)
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

-- A set of names that may grow to `most`.
local function register_of(key, most)
  return {key = key, most = most, count = redis.call('SCARD', key), fresh = {}}
end

-- Whether the register has the name, or room for it; then it is to be added.
local function admits(register, name)
  if register.fresh[name] or redis.call('SISMEMBER', register.key, name) == 1 then return true end
  register.fresh[name], register.count = true, register.count + 1
  return register.count <= register.most
end

-- First everything is checked, then anything is written.
local jobs, known, answer = {}, {}, {'ok'}
local queue_names, type_names = register_of(queues, max_queues), register_of(types, max_types)
for i = 1, count do
  local job = read_job()
  local first_status = redis.call('HGET', base .. 'job:' .. job.id, 'first_status')
  local is_new = not first_status and known[job.id] == nil
  jobs[i], known[job.id] = job, first_status
  if is_new then
    if job.expires and job.expires <= job.due then return {'expired', job.id} end
    if not admits(queue_names, job.queue) then return {'too_many_queues', job.queue} end
    if not admits(type_names, job.type) then return {'too_many_types', job.type} end
  end
end

for _, register in ipairs({queue_names, type_names}) do
  for name in pairs(register.fresh) do redis.call('SADD', register.key, name) end
end
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
