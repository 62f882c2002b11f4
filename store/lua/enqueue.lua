-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none, but a job whose unique key is held is none, and who holds it is the answer; a job, its index entry and the records of its keys appear together; a repeat with a known key or id
--   changes nothing and answers as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 types (set)  4 tags (set)
-- ARGV  1 base  2 how many queues may exist  3 how many types  4 how many tags  5 number of jobs; then for each: digest
--       of its key ('': none), fingerprint, ms to keep the key, digest of its unique key ('': none), what to do when that is
--       held (return, reject), then the job as storing lists it
-- Returns {'ok', 'id first_status type queue priority' …}, with ' existing' behind what holds the unique key, and its
--   present status | {'key_reused', id} | {'expired', id} | {'not_unique', id, status}
--   | {'too_many_queues', queue} | {'too_many_types', type} | {'too_many_tags', tag}
-- include: clock
-- include: arguments
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: unique
-- include: storing
local meta, base, count = KEYS[1], ARGV[1], tonumber(ARGV[5])

local take = arguments_after(5)

-- A job, and before it its keys.
local function read_request()
  local digest, fingerprint, keep_ms = take(), take(), take()
  local unique, on_conflict = take(), take()
  local job = read_job(take)
  job.unique, job.on_conflict = unique, on_conflict
  job.digest, job.fingerprint, job.keep_ms = digest, fingerprint, keep_ms
  return job
end

-- Who holds the unique key, as an answer.
local function existing(job)
  local holder = holder_of_key(base, job.unique)
  return table.concat(holder, ' ') .. ' existing'
end

-- Stores a new job, unless its unique key is held, and the records of its keys; returns its answer and its status.
local function store(job)
  local status = not job.is_held and store_job(base, meta, job) or nil
  local answer = status and table.concat({job.id, status, job.type, job.queue, job.priority}, ' ') or existing(job)
  if status and job.unique ~= '' then take_key(base, job.unique, job.id) end
  if job.digest ~= '' then
    redis.call('SET', base .. 'idempotency:' .. job.digest, job.fingerprint .. ' ' .. answer, 'PX', job.keep_ms)
  end
  return answer, status
end

-- What came before under the job's key, or with its id: the fingerprint of that request, and its answer. Looked up before
-- anything else: what would be refused by now was accepted then.
local function first_request(job)
  local record = job.digest ~= '' and redis.call('GET', base .. 'idempotency:' .. job.digest)
  if record then
    local fingerprint, answer = string.match(record, '^(%S+) (.*)$')
    return {fingerprint = fingerprint, answer = answer}
  end
  local found = redis.call('HMGET', base .. 'job:' .. job.id, 'first_status', 'type', 'queue', 'priority')
  return {fingerprint = job.fingerprint, answer = found[1] and table.concat({job.id, unpack(found)}, ' ')}
end

-- The job that holds the unique key now, or will when those before it in the call are stored: {id, status}; else nil.
local function holder_for(job, taken)
  if job.unique == '' then return nil end
  return taken[job.unique] or holder_of_key(base, job.unique)
end

-- Checks a new job; returns a refusal, or nil. Whose unique key is held is marked, and adds no names.
local function refusal_of(job, names, taken)
  if job.expires and job.expires <= job.due then return {'expired', job.id} end
  local holder = holder_for(job, taken)
  if holder then
    job.is_held = true
    return job.on_conflict == 'reject' and {'not_unique', holder[1], holder[2]} or nil
  end
  if job.unique ~= '' then taken[job.unique] = {job.id, job.due > now and 'scheduled' or 'pending'} end
  local word, too_many = refused_name(names, job)
  return word and {word, too_many} or nil
end

-- First everything is checked, then anything is written.
local requests, jobs, answers, taken = {}, {}, {'ok'}, {}
local names = registers_of({queues = KEYS[2], types = KEYS[3], tags = KEYS[4]}, ARGV[2], ARGV[3], ARGV[4])
for i = 1, count do
  local job = read_request()
  local name = job.digest ~= '' and job.digest or job.id
  jobs[i], job.request = job, requests[name] or first_request(job)
  if job.request.fingerprint ~= job.fingerprint then return {'key_reused', job.id} end
  if not job.request.answer and not requests[name] then
    local refused = refusal_of(job, names, taken)
    if refused then return refused end
  end
  requests[name] = job.request
end

add_fresh(names)
local woken = {}
for i, job in ipairs(jobs) do
  if not job.request.answer then
    local answer, status = store(job)
    job.request.answer = answer
    if status == 'pending' then woken[job.queue] = true end
  end
  answers[i + 1] = job.request.answer
end
for queue in pairs(woken) do wake(base, queue) end
return answers
