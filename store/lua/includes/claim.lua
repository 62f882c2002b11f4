-- Claiming: which job is next, and the attempt that begins with it.

-- Due jobs become pending, at most 200 a call. Adds to `promoted` the queues they are in.
local function promote_due(base, meta, scheduled, promoted)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', scheduled, '-inf', integer(now), 'LIMIT', 0, 200)) do
    local job = base .. 'job:' .. id
    local found = redis.call('HMGET', job, 'queue', 'priority', 'sequence', 'token', 'held')
    redis.call('ZREM', scheduled, id)
    if found[1] then
      -- A delayed job queues up behind those that came before it was due; one that was claimed before keeps its place.
      local sequence = found[4] and found[3] or redis.call('HINCRBY', meta, 'sequence', 1)
      redis.call('HSET', job, 'status', 'pending', 'sequence', integer(number(sequence, 0)))
      if found[5] then redis.call('HDEL', job, 'held') end
      put_ready(base, id, found[1], found[2], sequence)
      promoted[found[1]] = true
    end
  end
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

local CLAIM_FIELDS = {'status', 'token', 'failures', 'crashes', 'expires_ms', 'type', 'queue', 'payload', 'timeout_ms',
  'max_attempts', 'max_crashes', 'memory_limit_mb', 'backoff', 'created_ms', 'trace', 'tags', 'ahead'}
local PAYLOAD, AHEAD = 8, 17

-- A claimed job as the answer shows it: the fields as they were read, four of them replaced, and without the last.
local function claimed_row(row, id, token, attempt, worker)
  row[1], row[2], row[4], row[5], row[AHEAD] = id, token, attempt, worker, nil
  return row
end

-- Marks a job that is claimed beyond the idle workers, of which few will start, until it is claimed for an idle one. Who
-- has been forgiven one loss for that keeps its 0.
local function mark(job, ahead, was)
  if ahead and not was then redis.call('HSET', job, 'ahead', 1) end
  if was == '1' and not ahead then redis.call('HDEL', job, 'ahead') end
end

local this_token = integer(now_us)

-- Also after lost writes no token comes twice: the clock is not lost with them.
local function next_token(last)
  local known = number(last, 0)
  if known < now_us then return this_token end
  return integer(known + 1)
end

-- Begins an attempt on a job that is next in its queue; nil when there is nothing to run. `ahead`: its worker has one.
local function begin(holder, id, worker, ahead)
  local job = holder.base .. 'job:' .. id
  local row = redis.call('HMGET', job, unpack(CLAIM_FIELDS))
  local status, last_token, failures, crashes, expires_ms = unpack(row, 1, 5)
  if status ~= 'pending' then return nil end
  if is_expired(expires_ms, failures, crashes) then
    end_job(holder.base, id, 'expired', holder.limits)
    return nil
  end
  local token, attempt = next_token(last_token), number(failures, 0) + number(crashes, 0) + 1
  redis.call('HSET', job, 'status', 'running', 'owner', holder.name, 'epoch', holder.epoch, 'token', token,
    'worker', worker, 'started_ms', now, 'attempt', attempt)
  tell(holder.base, 'started', id)
  mark(job, ahead, row[AHEAD])
  if expires_ms then redis.call('ZREM', holder.base .. 'expiring', id) end
  -- How far an attempt before had come was to be read until now.
  if last_token then redis.call('HDEL', job, 'progress', 'progress_ms') end
  return claimed_row(row, id, token, attempt, worker)
end

-- A queue as it is claimed from: read in bites, one job ahead of what is taken, which leaves it in the end at once.
local function line_of(base, queue, bite)
  return {queue = queue, key = base .. 'ready:' .. queue, bite = bite, ids = {}, scores = {}, taken = 0, more = true}
end

-- The score of the line's next job; nil at its end.
local function head_of(line)
  if line.taken == #line.ids and line.more then
    local found = redis.call('ZRANGE', line.key, #line.ids, #line.ids + line.bite - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      table.insert(line.ids, found[i])
      table.insert(line.scores, tonumber(found[i + 1]))
    end
    line.more = #found == 2 * line.bite
  end
  return line.scores[line.taken + 1]
end

-- The line whose first job is next: the preferred one if it has any, else the one with the lowest score.
local function next_line(lines, prefers)
  if lines[prefers] and head_of(lines[prefers]) then return lines[prefers] end
  local best, best_score
  for _, line in pairs(lines) do
    local score = head_of(line)
    if score and (not best or score < best_score) then best, best_score = line, score end
  end
  return best
end

-- The lines that hold anything, each read so far that a claim for `wanted` workers rarely reads on.
local function lines_of(base, open, wanted)
  local lines = {}
  for _, queue in ipairs(open) do
    local line = line_of(base, queue, math.ceil(wanted / #open) + 1)
    if head_of(line) then lines[queue] = line end
  end
  return lines
end

-- Claims a job for each of `wanted` {worker, prefers}, best first, until nothing is left or `max_bytes` are reached.
-- At most 100 jobs beyond those are taken out of their queues because they have expired.
local function claim(holder, running, open, wanted, max_bytes)
  local lines, jobs, index, bytes, tries = lines_of(holder.base, open, #wanted), {}, {}, 0, #wanted + 100
  local given = {}
  while #jobs < #wanted and bytes < max_bytes and tries > 0 do
    tries = tries - 1
    local want = wanted[#jobs + 1]
    local line = next_line(lines, want.prefers)
    if not line then break end
    line.taken = line.taken + 1
    local job = begin(holder, line.ids[line.taken], want.worker, given[want.worker])
    if job then
      given[want.worker] = true
      jobs[#jobs + 1] = job
      put(index, job[1], job[2])
      bytes = bytes + #job[PAYLOAD]
    end
  end
  if #index > 0 then redis.call('HSET', running, unpack(index)) end
  for queue, line in pairs(lines) do
    if head_of(line) then wake(holder.base, queue) end
    if line.taken > 0 then redis.call('ZREMRANGEBYRANK', line.key, 0, line.taken - 1) end
  end
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
    local fields = read_fields(job, {'status', 'owner', 'epoch', 'token', 'attempt', 'worker'})
    if is_held(fields, holder, token) then
      local row = redis.call('HMGET', job, unpack(CLAIM_FIELDS))
      jobs[#jobs + 1] = claimed_row(row, id, token, fields.attempt, fields.worker)
    end
  end
  return words, jobs
end
