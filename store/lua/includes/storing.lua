-- Storing new jobs: how ARGV lists one, how many names there may be, and all that appears with it.

-- A job as ARGV lists it: id, type, queue, priority, payload, delay ms, run at (ms or ''), expires at (ms or ''), tags
-- (behind each other, with blanks between; '': none), n, n more items: field, value, …
local function read_job(take)
  local job = {id = take(), type = take(), queue = take(), priority = take(), payload = take()}
  local delay, run_at, expires = tonumber(take()), tonumber(take()), tonumber(take())
  job.due = math.max(run_at or now + delay, now)
  job.expires, job.tags, job.extra = expires, take(), {}
  for i = 1, tonumber(take()) do job.extra[i] = take() end
  return job
end

-- What its first answer said; false: there is no such job yet.
local function first_status_of(base, job) return redis.call('HGET', base .. 'job:' .. job.id, 'first_status') end

-- Stores a new job and returns its status. Its queue must be woken, its names registered.
local function store_job(base, meta, job)
  local key, sequence = base .. 'job:' .. job.id, redis.call('HINCRBY', meta, 'sequence', 1)
  local status = job.due > now and 'scheduled' or 'pending'
  redis.call('HSET', key, 'type', job.type, 'queue', job.queue, 'priority', job.priority, 'status', status,
    'created_ms', integer(now), 'run_at_ms', integer(job.due), 'sequence', integer(sequence), 'first_status', status,
    'attempt', 0, 'failures', 0, 'crashes', 0, 'payload', job.payload, unpack(job.extra))
  redis.call('ZADD', base .. 'created', integer(now), job.id)
  redis.call('ZADD', base .. 'by_type:' .. job.type, integer(now), job.id)
  if job.tags ~= '' then
    redis.call('HSET', key, 'tags', job.tags)
    for tag in each_tag(job.tags) do redis.call('ZADD', base .. 'by_tag:' .. tag, integer(now), job.id) end
  end
  if job.expires then
    redis.call('HSET', key, 'expires_ms', integer(job.expires))
    redis.call('ZADD', base .. 'expiring', integer(job.expires), job.id)
  end
  if status == 'pending' then
    put_ready(base, job.id, job.queue, job.priority, sequence)
  else
    put_scheduled(base, job.id, job.queue, job.due)
  end
  tell(base, 'accepted', job.id)
  return status
end

-- A set of names that may grow to `most`.
local function register_of(key, most)
  return {key = key, most = tonumber(most), count = redis.call('SCARD', key), fresh = {}}
end

-- Whether the register has the name, or room for it; then it is to be added for the job.
local function admits(register, name, job)
  if register.fresh[name] or redis.call('SISMEMBER', register.key, name) == 1 then return true end
  if register.count >= register.most then return false end
  register.fresh[name], register.count = job, register.count + 1
  return true
end

-- The registers that a job's names go into.
local function registers_of(keys, max_queues, max_types, max_tags)
  return {queues = register_of(keys.queues, max_queues), types = register_of(keys.types, max_types),
    tags = register_of(keys.tags, max_tags)}
end

-- The word for the first of a job's names that would be too many, and the name.
local function too_many(names, job)
  if not admits(names.queues, job.queue, job) then return 'too_many_queues', job.queue end
  if not admits(names.types, job.type, job) then return 'too_many_types', job.type end
  for tag in each_tag(job.tags) do
    if not admits(names.tags, tag, job) then return 'too_many_tags', tag end
  end
end

-- Admits the names of a job, all or none; else returns the word for what would be too many, and the name.
local function refused_name(names, job)
  local word, found = too_many(names, job)
  if not word then return nil end
  for _, register in pairs(names) do
    for name, of in pairs(register.fresh) do
      if of == job then register.fresh[name], register.count = nil, register.count - 1 end
    end
  end
  return word, found
end

-- Adds the names that were admitted and not known.
local function add_fresh(names)
  for _, register in pairs(names) do
    for name in pairs(register.fresh) do redis.call('SADD', register.key, name) end
  end
end
