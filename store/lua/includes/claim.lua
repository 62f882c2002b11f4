-- Claiming: which job is next, and the attempt that begins with it.

local CLAIM_FIELDS = {'type', 'queue', 'payload', 'attempt', 'timeout_ms', 'max_attempts', 'max_crashes', 'failures',
  'backoff', 'created_ms', 'worker'}

-- Due jobs become pending, at most 200 a call. Returns the queues they are in.
local function promote_due(base, meta, scheduled)
  local promoted = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', scheduled, '-inf', integer(now), 'LIMIT', 0, 200)) do
    local job = base .. 'job:' .. id
    local found = redis.call('HMGET', job, 'queue', 'priority', 'sequence', 'token')
    redis.call('ZREM', scheduled, id)
    if found[1] then
      -- A delayed job queues up behind those that came before it was due; one that was claimed before keeps its place.
      local sequence = found[4] and found[3] or redis.call('HINCRBY', meta, 'sequence', 1)
      redis.call('HSET', job, 'status', 'pending', 'sequence', integer(tonumber(sequence)))
      put_ready(base, id, found[1], found[2], sequence)
      promoted[found[1]] = true
    end
  end
  return promoted
end

-- Ends what was not started in time, at most 100 a call; also in paused queues.
local function expire_due(base, expiring, limits)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiring, '-inf', integer(now), 'LIMIT', 0, 100)) do
    local found = redis.call('HMGET', base .. 'job:' .. id, 'status', 'queue')
    redis.call('ZREM', expiring, id)
    if found[1] == 'pending' or found[1] == 'scheduled' then
      remove_waiting(base, id, found[1], found[2])
      end_job(base, id, 'expired', limits)
    end
  end
end

local function open_queues(paused, served)
  local closed, open = {}, {}
  for _, queue in ipairs(redis.call('HKEYS', paused)) do closed[queue] = true end
  if closed['*'] then return open end
  for _, queue in ipairs(served) do
    if not closed[queue] then open[#open + 1] = queue end
  end
  return open
end

-- Begins an attempt on a job just taken out of its queue; false when there is nothing to run.
local function begin(holder, running, id, worker)
  local job = holder.base .. 'job:' .. id
  local found = redis.call('HMGET', job, 'status', 'token', 'failures', 'crashes', 'expires_ms')
  if found[1] ~= 'pending' then return false end
  if is_expired(found[5], found[3], found[4]) then
    end_job(holder.base, id, 'expired', holder.limits)
    return false
  end
  -- Also after lost writes no token comes twice: the clock is not lost with them.
  local token = integer(math.max(tonumber(found[2] or 0) + 1, now_us))
  redis.call('HSET', job, 'status', 'running', 'owner', holder.name, 'epoch', holder.epoch, 'token', token,
    'worker', worker, 'started_ms', integer(now), 'attempt', integer(found[3] + found[4] + 1))
  redis.call('HSET', running, id, token)
  if found[5] then redis.call('ZREM', holder.base .. 'expiring', id) end
  return {id, token, unpack(redis.call('HMGET', job, unpack(CLAIM_FIELDS)))}
end

local function head_of(base, queue)
  local head = redis.call('ZRANGE', base .. 'ready:' .. queue, 0, 0, 'WITHSCORES')
  return head[1] and tonumber(head[2])
end

-- The queue whose first job is next: the preferred one if it has any, else the one with the lowest score.
local function next_queue(heads, prefers)
  if heads[prefers] then return prefers end
  local best
  for queue, score in pairs(heads) do
    if not best or score < heads[best] then best = queue end
  end
  return best
end

-- Claims a job for each of `wanted` {worker, prefers}, best first, until nothing is left or `max_bytes` are reached.
-- At most 100 jobs beyond those are taken out of their queues because they have expired.
local function claim(holder, running, open, wanted, max_bytes)
  local heads, jobs, bytes, tries = {}, {}, 0, #wanted + 100
  for _, queue in ipairs(open) do heads[queue] = head_of(holder.base, queue) end
  while #jobs < #wanted and bytes < max_bytes and tries > 0 do
    tries = tries - 1
    local want = wanted[#jobs + 1]
    local queue = next_queue(heads, want.prefers)
    if not queue then break end
    local job = begin(holder, running, redis.call('ZPOPMIN', holder.base .. 'ready:' .. queue)[1], want.worker)
    if job then
      jobs[#jobs + 1] = job
      bytes = bytes + #job[5]
    end
    heads[queue] = head_of(holder.base, queue)
  end
  for queue in pairs(heads) do wake(holder.base, queue) end
  return jobs
end

-- The answer to keep for a repeat: settle words and `id token`, never payloads.
local function remember(words, jobs)
  local claims = {}
  for i, job in ipairs(jobs) do claims[i] = job[1] .. ' ' .. job[2] end
  return table.concat(words, ',') .. '|' .. table.concat(claims, ',')
end

-- The remembered answer, without what is no longer running as it was claimed.
local function replay(holder, answer)
  local words, jobs, kept_words, kept_claims = {}, {}, string.match(answer, '^(.*)|(.*)$')
  for word in string.gmatch(kept_words or '', '[^,]+') do words[#words + 1] = word end
  for id, token in string.gmatch(kept_claims or '', '([^ ,]+) ([^,]+)') do
    local job = holder.base .. 'job:' .. id
    local found = redis.call('HMGET', job, 'status', 'owner', 'epoch', 'token')
    if found[1] == 'running' and found[2] == holder.name and found[3] == holder.epoch and found[4] == token then
      jobs[#jobs + 1] = {id, token, unpack(redis.call('HMGET', job, unpack(CLAIM_FIELDS)))}
    end
  end
  return words, jobs
end
