-- fire: store the jobs of the occurrences of a schedule that are due, and set when it is due next.
-- Promise: done once for each next due time: whoever comes later finds that it has moved. A job is stored once, whatever
--   writes were lost, for its id follows from its occurrence.
-- KEYS  1 record of the schedule (hash)  2 meta (hash)  3 queues (set)  4 types (set)  5 tags (set)
-- ARGV  1 base  2 name  3 revision  4 next due, both as they were read  5 due after that (ms or '': never)
--       6 how many occurrences are missed  7 what is wrong ('': nothing)  8 9 10 retention
--       11 how many queues may exist  12 how many types  13 how many tags
--       14 number of jobs, oldest first, each: due ms, then the job as storing lists it
-- Returns {'ok', last error ('': none), 1 if that is new} | {'moved'}
-- include: clock
-- include: telling
-- include: arguments
-- include: tagging
-- include: closing
-- include: queueing
-- include: ending
-- include: hint
-- include: storing
-- include: webhooks
-- include: cancelling
-- include: dues
local record, meta = KEYS[1], KEYS[2]
local base, name, revision, due, next_due = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local missed, wrong, limits, count = tonumber(ARGV[6]), ARGV[7], retention(8), tonumber(ARGV[14])

local found = redis.call('HMGET', record, 'revision', 'next_due_ms', 'overlap', 'last_job', 'last_error', 'missed',
  'occurrences')
if found[1] ~= revision or found[2] ~= due then return {'moved'} end
local overlap, last_job, lines = found[3], found[4], {}

local OPEN = {pending = true, scheduled = true, running = true}
local function is_open(id) return id and OPEN[redis.call('HGET', base .. 'job:' .. id, 'status')] end

-- The word for what becomes of an occurrence.
local function fire(job)
  if first_status_of(base, job) then return 'fired' end
  local is_late = is_open(last_job)
  if is_late and overlap == 'skip' then return 'skipped' end
  if is_late and overlap == 'cancel' then
    cancel_job(base, last_job, limits, '{"who":"schedule ' .. name .. '","reason":"the next occurrence is due"}')
  end
  if store_job(base, meta, job) == 'pending' then wake(base, job.queue) end
  return 'fired'
end

local take = arguments_after(14)
local names = registers_of({queues = KEYS[3], types = KEYS[4], tags = KEYS[5]}, ARGV[11], ARGV[12], ARGV[13])
for i = 1, count do
  local due_ms, job = take(), read_job(take)
  local word, refused, which = 'refused', refused_name(names, job)
  if refused then
    wrong = refused .. ': ' .. which .. ' is one too many'
  else
    add_fresh(names)
    word = fire(job)
  end
  if word == 'fired' then
    last_job = job.id
    redis.call('HSET', record, 'last_job', job.id, 'last_fired_ms', due_ms)
  end
  table.insert(lines, 1, table.concat({due_ms, integer(now), word, job.id}, ' '))
end

for line in string.gmatch(found[7] or '', '[^\n]+') do
  if #lines < 20 then lines[#lines + 1] = line end
end
redis.call('HSET', record, 'occurrences', table.concat(lines, '\n', 1, math.min(#lines, 20)), 'last_error', wrong,
  'missed', integer(number(found[6], 0) + missed))
set_due(base, record, name, next_due)
return {'ok', wrong, wrong ~= '' and wrong ~= found[5] and 1 or 0}
