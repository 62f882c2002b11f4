-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none, or each for itself, as is asked; but a job whose unique key is held is none, and who holds it is the
--   answer. A job, its index entries and the records of its keys appear together; a repeat with a known key or id changes
--   nothing and answers as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 types (set)  4 tags (set)
-- ARGV  1 base  2 how many queues may exist  3 how many types  4 how many tags  5 '1': all or none  6 number of jobs; then
--       for each: digest of its key ('': none), fingerprint, ms to keep the key, digest of its unique key ('': none), what to
--       do when that is held (return, reject), then the job as storing lists it
-- Returns {'ok' or 'refused', then for each: 'id first_status type queue priority', with ' existing' behind what holds the
--   unique key, and its present status | '!expired' | '!too_many_queues' | '!too_many_types' | '!too_many_tags'
--   | '!not_unique id status'} | {'key_reused', id}; but for 'ok' none is stored, '' stands for what could be
-- include: clock
-- include: telling
-- include: arguments
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: unique
-- include: storing
local meta, base, all_or_none, count = KEYS[1], ARGV[1], ARGV[5] == '1', tonumber(ARGV[6])

local take = arguments_after(6)

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

-- First everything is checked, then anything is written.
local requests, jobs, answers, taken, refused = {}, {}, {'ok'}, {}, false
local names = registers_of({queues = KEYS[2], types = KEYS[3], tags = KEYS[4]}, ARGV[2], ARGV[3], ARGV[4])

-- Why a job that has not come before is not taken; nil: it is. Whose unique key is held is marked, and adds no names.
local function refusal_of_new(job)
  if job.expires and job.expires <= job.due then return '!expired' end
  local holder = holder_for(job, taken)
  if holder then
    job.is_held = true
    return job.on_conflict == 'reject' and '!not_unique ' .. holder[1] .. ' ' .. holder[2] or nil
  end
  local word = refused_name(names, job)
  if word then return '!' .. word end
  if job.unique ~= '' then taken[job.unique] = {job.id, job.due > now and 'scheduled' or 'pending'} end
end

for i = 1, count do
  local job = read_request()
  local name = job.digest ~= '' and job.digest or job.id
  jobs[i], job.request = job, requests[name] or first_request(job)
  -- Keys come from one request: what has another body is another request, and all of it a mistake.
  if job.request.fingerprint ~= job.fingerprint then return {'key_reused', job.id} end
  if not (job.request.answer or requests[name]) then job.refusal = refusal_of_new(job) end
  if not job.refusal then requests[name] = job.request end
  refused = refused or job.refusal
end
if refused and all_or_none then
  answers[1] = 'refused'
  for i, job in ipairs(jobs) do answers[i + 1] = job.refusal or '' end
  return answers
end

add_fresh(names)
local woken = {}
for i, job in ipairs(jobs) do
  if not (job.refusal or job.request.answer) then
    local answer, status = store(job)
    job.request.answer = answer
    if status == 'pending' then woken[job.queue] = true end
  end
  answers[i + 1] = job.refusal or job.request.answer
end
for queue in pairs(woken) do wake(base, queue) end
return answers
