-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none; a job, its index entry and the record of its key appear together; a repeat with a known key or id
--   changes nothing and answers as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 types (set)  4 tags (set)
-- ARGV  1 base  2 how many queues may exist  3 how many types  4 how many tags  5 number of jobs; then for each: digest
--       of its key ('': none), fingerprint, ms to keep the key, then the job as storing lists it
-- Returns {'ok', 'id first_status type queue priority' …} | {'key_reused', id} | {'expired', id}
--   | {'too_many_queues', queue} | {'too_many_types', type} | {'too_many_tags', tag}
-- include: clock
-- include: arguments
-- include: queueing
-- include: tagging
-- include: storing
local meta, base, count = KEYS[1], ARGV[1], tonumber(ARGV[5])

local take = arguments_after(5)

-- A job, and before it its key.
local function read_request()
  local digest, fingerprint, keep_ms = take(), take(), take()
  local job = read_job(take)
  job.digest, job.fingerprint, job.keep_ms = digest, fingerprint, keep_ms
  return job
end

-- Stores a new job and the record of its key; returns its answer and its status.
local function store(job)
  local status = store_job(base, meta, job)
  local answer = table.concat({job.id, status, job.type, job.queue, job.priority}, ' ')
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

-- First everything is checked, then anything is written.
local requests, jobs, answers = {}, {}, {'ok'}
local names = registers_of({queues = KEYS[2], types = KEYS[3], tags = KEYS[4]}, ARGV[2], ARGV[3], ARGV[4])
for i = 1, count do
  local job = read_request()
  local name = job.digest ~= '' and job.digest or job.id
  jobs[i], job.request = job, requests[name] or first_request(job)
  if job.request.fingerprint ~= job.fingerprint then return {'key_reused', job.id} end
  if not job.request.answer and not requests[name] then
    if job.expires and job.expires <= job.due then return {'expired', job.id} end
    local word, too_many = refused_name(names, job)
    if word then return {word, too_many} end
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
