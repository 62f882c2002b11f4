-- list: a page of the jobs that a filter lets through.
-- Promise: changes nothing and looks at a bounded number of entries. A page begins behind a position, score and id, not
--   behind a count: no write hides or repeats a job that stays where it is.
-- KEYS  1 queues (set)  2 created (zset)  3 scheduled (zset)  4 expiring (zset)  5 supervisors (zset)
-- ARGV  1 base  2 status  3 type  4 queue ('': any)  5 index to walk: status, type ('': the smaller)
--       6 score and 7 id of the position ('': from the start)  8 most jobs  9 most entries to look at
--       10 … fields of a job
-- Returns {now ms, index walked, {score, id} to go on behind or {} at the end, {{id, value…}…}}
-- include: clock
-- include: closing
-- include: ending
-- include: merging
local queues, created, scheduled, expiring, supervisors = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local base, status, type, queue, walk = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local after = ARGV[7] ~= '' and {score = tonumber(ARGV[6]), id = ARGV[7]} or nil
local most_jobs, most_looks = tonumber(ARGV[8]), tonumber(ARGV[9])

local function ready_keys()
  local keys = {}
  for i, each in ipairs(queue ~= '' and {queue} or redis.call('SMEMBERS', queues)) do keys[i] = base .. 'ready:' .. each end
  return keys
end

local function type_keys() return {type == '' and created or base .. 'by_type:' .. type} end

-- Running jobs are in hashes, and few.
local function status_keys()
  if status == 'running' then return {} end
  if status == 'scheduled' then return {scheduled} end
  if status == 'pending' then return ready_keys() end
  return {base .. 'ended:' .. status}
end

local function size(keys)
  local sum = 0
  for _, key in ipairs(keys) do sum = sum + redis.call('ZCARD', key) end
  return sum
end

local function choose()
  if status == '' then return 'type' end
  if type == '' then return 'status' end
  return size(type_keys()) < size(status_keys()) and 'type' or 'status'
end

local function running_entries()
  local entries = {}
  for _, member in ipairs(redis.call('ZRANGE', supervisors, 0, -1)) do
    local index = redis.call('HGETALL', base .. 'running:' .. member)
    for i = 1, #index, 2 do entries[#entries + 1] = {id = index[i], score = tonumber(index[i + 1])} end
  end
  return entries
end

-- What waits goes in the order in which it would run, all else newest first.
local function sources_of(order)
  if walk == 'status' and status == 'running' then return {list_source(order, running_entries(), after)} end
  local keys, sources = walk == 'type' and type_keys() or status_keys(), {}
  for _, key in ipairs(keys) do sources[#sources + 1] = zset_source(order, key, after) end
  if walk == 'status' and status == 'expired' then
    -- Not swept yet, and expired for readers; what has still time is passed over.
    local due = after and after.score <= now and after or {score = now + 1, id = ''}
    sources[#sources + 1] = zset_source(order, expiring, due)
  end
  return sources
end

-- Whether the job, as readers see it, is one of those wanted.
local function passes(id)
  local found = redis.call('HMGET', base .. 'job:' .. id, 'status', 'type', 'queue', 'expires_ms', 'failures', 'crashes')
  local seen = found[1]
  if seen == 'pending' or seen == 'scheduled' then
    seen = is_expired(found[4], found[5], found[6]) and 'expired' or seen
  end
  return seen and (status == '' or seen == status) and (type == '' or found[2] == type)
    and (queue == '' or found[3] == queue)
end

if walk == '' then walk = choose() end
local order = order_of(walk == 'type' or (status ~= 'pending' and status ~= 'scheduled'))
local heap, jobs, last = heap_of(order, sources_of(order)), {}, nil
-- The first entry of each index has been looked at; yet however many there are, a page is found if all jobs are wanted.
local looks = math.min(#heap, most_looks - most_jobs)
while heap[1] and #jobs < most_jobs and looks < most_looks do
  last, looks = pop(order, heap), looks + 1
  if passes(last.id) then
    jobs[#jobs + 1] = {last.id, unpack(redis.call('HMGET', base .. 'job:' .. last.id, unpack(ARGV, 10)))}
  end
end
return {integer(now), walk, heap[1] and {integer(last.score), last.id} or {}, jobs}
