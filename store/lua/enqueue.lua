-- enqueue: store up to 200 jobs, each pending or scheduled.
-- Promise: all or none; a job and its index entry appear together; a repeat with a known id changes nothing and answers
--   as the first time did.
-- KEYS  1 meta (hash)  2 queues (set)  3 types (set)
-- ARGV  1 base  2 how many queues may exist  3 how many types  4 number of jobs; then for each: id, type, queue, priority,
--       payload, delay ms, run at (ms or ''), expires at (ms or ''), n, n more items: field, value, …
-- Returns {'ok', first status…} | {'expired', id} | {'too_many_queues', queue} | {'too_many_types', type}
-- include: clock
-- include: arguments
-- include: queueing
-- include: storing
local meta, queues, types = KEYS[1], KEYS[2], KEYS[3]
local base, max_queues, max_types, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local take = arguments_after(4)

-- First everything is checked, then anything is written.
local jobs, known, answer = {}, {}, {'ok'}
local queue_names, type_names = register_of(queues, max_queues), register_of(types, max_types)
for i = 1, count do
  local job = read_job(take)
  local first_status = first_status_of(base, job)
  local is_new = not first_status and known[job.id] == nil
  jobs[i], known[job.id] = job, first_status
  if is_new then
    if job.expires and job.expires <= job.due then return {'expired', job.id} end
    if not admits(queue_names, job.queue) then return {'too_many_queues', job.queue} end
    if not admits(type_names, job.type) then return {'too_many_types', job.type} end
  end
end

add_fresh(queue_names)
add_fresh(type_names)
local woken = {}
for i, job in ipairs(jobs) do
  if not known[job.id] then
    known[job.id] = store_job(base, meta, job)
    if known[job.id] == 'pending' then woken[job.queue] = true end
  end
  answer[i + 1] = known[job.id]
end
for queue in pairs(woken) do wake(base, queue) end
return answer
