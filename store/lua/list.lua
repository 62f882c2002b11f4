-- list: a page of the jobs that a filter lets through.
-- Promise: changes nothing and looks at a bounded number of entries. A page begins behind a position, score and id, not
--   behind a count: no write hides or repeats a job that stays where it is.
-- KEYS  1 queues (set)  2 created (zset)  3 scheduled (zset)  4 expiring (zset)  5 supervisors (zset)
-- ARGV  1 base  2 status  3 type  4 queue  5 tag ('': any)  6 ms from which on and 7 ms before which it was created
--       ('': whenever)  8 index to walk: status, type, tag ('': the smallest)
--       9 score and 10 id of the position ('': from the start)  11 most jobs  12 most entries to look at
--       13 … fields of a job
-- Returns {now ms, index walked, {score, id} to go on behind or {} at the end, {{id, value…}…}}
-- include: clock
-- include: telling
-- include: tagging
-- include: closing
-- include: ending
-- include: merging
local queues, created, scheduled, expiring, supervisors = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local base, status, type, queue, tag, walk = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[8]
local created_from, created_before = tonumber(ARGV[6]), tonumber(ARGV[7])
local after = ARGV[10] ~= '' and {score = tonumber(ARGV[9]), id = ARGV[10]} or nil
local most_jobs, most_looks = tonumber(ARGV[11]), tonumber(ARGV[12])

local function ready_keys()
  local keys = {}
  for i, each in ipairs(queue ~= '' and {queue} or redis.call('SMEMBERS', queues)) do keys[i] = base .. 'ready:' .. each end
  return keys
end

local function key_by_creation(index)
  if index == 'tag' then return base .. 'by_tag:' .. tag end
  return type == '' and created or base .. 'by_type:' .. type
end

-- Running jobs are in hashes, and few.
local function status_keys()
  if status == 'running' then return {} end
  if status == 'scheduled' then return {scheduled} end
  if status == 'pending' then return ready_keys() end
  return {base .. 'ended:' .. status}
end

-- How many of an index by creation lie in the range.
local function count_created(index)
  return redis.call('ZCOUNT', key_by_creation(index), integer(created_from or 0),
    created_before and '(' .. integer(created_before) or '+inf')
end

local function count_status()
  local sum = 0
  for _, key in ipairs(status_keys()) do sum = sum + redis.call('ZCARD', key) end
  return sum
end

local function choose()
  local best, fewest
  local function offer(index, count)
    if not best or count < fewest then best, fewest = index, count end
  end
  if status ~= '' then offer('status', count_status()) end
  if tag ~= '' then offer('tag', count_created('tag')) end
  if type ~= '' or status == '' or created_from or created_before then offer('type', count_created('type')) end
  return best
end

local function running_entries()
  local entries = {}
  for _, member in ipairs(redis.call('ZRANGE', supervisors, 0, -1)) do
    local index = redis.call('HGETALL', base .. 'running:' .. member)
    for i = 1, #index, 2 do entries[#entries + 1] = {id = index[i], score = tonumber(index[i + 1])} end
  end
  return entries
end

-- An index by creation begins behind the range's end.
local function begin_by_creation()
  if after or not created_before then return after end
  return {score = created_before, id = ''}
end

-- What waits goes in the order in which it would run, all else newest first.
local function sources_of(order)
  if walk ~= 'status' then return {zset_source(order, key_by_creation(walk), begin_by_creation())} end
  if status == 'running' then return {list_source(order, running_entries(), after)} end
  local sources = {}
  for _, key in ipairs(status_keys()) do sources[#sources + 1] = zset_source(order, key, after) end
  if status == 'expired' then
    -- Not swept yet, and expired for readers; what has still time is passed over.
    local due = after and after.score <= now and after or {score = now + 1, id = ''}
    sources[#sources + 1] = zset_source(order, expiring, due)
  end
  return sources
end

-- Whether the job, as readers see it, is one of those wanted.
local function passes(id)
  local found = redis.call('HMGET', base .. 'job:' .. id, 'status', 'type', 'queue', 'expires_ms', 'failures', 'crashes',
    'tags', 'created_ms')
  local seen = found[1]
  if seen == 'pending' or seen == 'scheduled' then
    seen = is_expired(found[4], found[5], found[6]) and 'expired' or seen
  end
  return seen and (status == '' or seen == status) and (type == '' or found[2] == type)
    and (queue == '' or found[3] == queue) and (tag == '' or has_tag(found[7], tag))
    and (not created_from or number(found[8], -1) >= created_from)
    and (not created_before or number(found[8], created_before) < created_before)
end

-- Whether an entry of an index by creation lies before the range: so do all that follow.
local function is_past_range(entry) return walk ~= 'status' and created_from and entry.score < created_from end

if walk == '' then walk = choose() end
local order = order_of(walk ~= 'status' or (status ~= 'pending' and status ~= 'scheduled'))
local heap, jobs, last = heap_of(order, sources_of(order)), {}, nil
-- The first entry of each index has been looked at; yet however many there are, a page is found if all jobs are wanted.
local looks = math.min(#heap, most_looks - most_jobs)
while heap[1] and #jobs < most_jobs and looks < most_looks and not is_past_range(heap[1]) do
  last, looks = pop(order, heap), looks + 1
  if passes(last.id) then
    jobs[#jobs + 1] = {last.id, unpack(redis.call('HMGET', base .. 'job:' .. last.id, unpack(ARGV, 13)))}
  end
end
local goes_on = last and heap[1] and not is_past_range(heap[1])
return {integer(now), walk, goes_on and {integer(last.score), last.id} or {}, jobs}
