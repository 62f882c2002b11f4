-- Ending one attempt: who may, what it spends, where the job goes.

local FREE = {shutdown = true, fenced = true, recalled = true}
local FAILURE = {raised = true, timed_out = true}
-- Another attempt would end the same way, or its effect has happened: no budget helps.
local HOPELESS = {rejected = 'invalid_payload', bad_result = 'bad_result'}
local CRASH = {crashed = true, out_of_memory = true, lost = true}
local UNHANDLED_FOR_MS = 600000

-- Keeps the last 20 failed attempts: seven words of ours, then the supervisor's detail, which stays opaque.
local function keep_attempt(job, fields, outcome, detail)
  local count = redis.call('HINCRBY', job, 'attempts_kept', 1)
  local words = {outcome, fields.attempt, fields.started_ms, integer(now), fields.owner, fields.epoch, fields.worker}
  redis.call('HSET', job, 'attempt:' .. integer(count), table.concat(words, ' ') .. ' ' .. detail)
  redis.call('HDEL', job, 'attempt:' .. integer(count - 20))
end

-- Where the job goes: its next status and, if that is failed, the reason. `spent` holds both budgets' counts.
local function next_status(attempt, fields, spent)
  if attempt.outcome == 'succeeded' then return 'succeeded' end
  -- A flagged job never goes back: a cancel that was accepted is kept.
  if fields.cancel_requested_ms or attempt.outcome == 'cancelled' then return 'cancelled' end
  if attempt.final == '1' or HOPELESS[attempt.outcome] then return 'failed', HOPELESS[attempt.outcome] end
  if FREE[attempt.outcome] then return 'pending' end
  if FAILURE[attempt.outcome] then
    if spent.failures >= tonumber(fields.max_attempts) then return 'failed', 'max_attempts' end
    return 'scheduled'
  end
  if CRASH[attempt.outcome] then
    if spent.crashes >= tonumber(fields.max_crashes) then return 'failed', 'crash_loop' end
    return 'pending'
  end
  if attempt.outcome == 'unhandled' then
    if now - tonumber(fields.unhandled_ms or now) >= UNHANDLED_FOR_MS then return 'failed', 'unknown_handler' end
    return 'scheduled'
  end
  return error('unknown outcome ' .. attempt.outcome)
end

local SETTLE_FIELDS = {'status', 'owner', 'epoch', 'token', 'queue', 'priority', 'sequence', 'attempt', 'failures',
  'crashes', 'max_attempts', 'max_crashes', 'started_ms', 'worker', 'expires_ms', 'unhandled_ms', 'cancel_requested_ms'}

local function read_fields(job, names)
  local values, fields = redis.call('HMGET', job, unpack(names)), {}
  for i, name in ipairs(names) do fields[name] = values[i] or nil end
  return fields
end

-- Puts a job back where it waits. What spent nothing counts as not started, so its expiry holds again.
local function put_back(base, id, fields, spent, status, delay_ms)
  local job = base .. 'job:' .. id
  redis.call('HSET', job, 'status', status, 'attempt', spent.failures + spent.crashes)
  if fields.expires_ms and spent.failures + spent.crashes == 0 then
    redis.call('ZADD', base .. 'expiring', fields.expires_ms, id)
  end
  if status == 'pending' then
    put_ready(base, id, fields.queue, fields.priority, fields.sequence)
    wake(base, fields.queue)
  else
    redis.call('HSET', job, 'run_at_ms', integer(now + delay_ms))
    put_scheduled(base, id, fields.queue, now + delay_ms)
  end
end

-- What the attempt leaves behind for those who read the job.
local function write_verdict(job, attempt, reason)
  for name, value in pairs({reason = attempt.reason ~= '' and attempt.reason or reason or '', error = attempt.error,
    result = attempt.result, receipt = attempt.receipt}) do
    if value ~= '' then redis.call('HSET', job, name, value) else redis.call('HDEL', job, name) end
  end
  -- The ten minutes count from the first of unhandled attempts in a row.
  if attempt.outcome == 'unhandled' then
    redis.call('HSETNX', job, 'unhandled_ms', integer(now))
  else
    redis.call('HDEL', job, 'unhandled_ms')
  end
end

-- Settles one attempt of the incarnation `holder` {base, name, epoch, limits}. `attempt` holds outcome, final, delay_ms,
-- reason, error, result, receipt, detail, max_attempts, max_crashes (the last two for jobs that have none of their own).
-- Returns the job's next status; 'stale' or 'missing' when the attempt is no longer valid, and then writes nothing
-- to the job: whoever lost the claim writes nothing.
local function settle(holder, id, token, attempt)
  local base, job = holder.base, holder.base .. 'job:' .. id
  local fields = read_fields(job, SETTLE_FIELDS)
  if not fields.status then return 'missing' end
  if fields.status ~= 'running' or fields.owner ~= holder.name or fields.epoch ~= holder.epoch
    or fields.token ~= token then return 'stale' end
  fields.max_attempts = fields.max_attempts or attempt.max_attempts
  fields.max_crashes = fields.max_crashes or attempt.max_crashes
  local spent = {
    failures = tonumber(fields.failures) + (FAILURE[attempt.outcome] and 1 or 0),
    crashes = tonumber(fields.crashes) + (CRASH[attempt.outcome] and 1 or 0),
  }
  local status, reason = next_status(attempt, fields, spent)
  redis.call('HDEL', base .. 'running:' .. holder.name .. ':' .. holder.epoch, id)
  redis.call('HDEL', base .. 'cancels:' .. holder.name .. ':' .. holder.epoch, id)
  redis.call('HSET', job, 'failures', spent.failures, 'crashes', spent.crashes)
  if attempt.detail ~= '' then keep_attempt(job, fields, attempt.outcome, attempt.detail) end
  -- What did not count says nothing: then the job keeps what the attempt before left behind.
  if not FREE[attempt.outcome] then write_verdict(job, attempt, reason) end
  if status == 'pending' or status == 'scheduled' then
    put_back(base, id, fields, spent, status, tonumber(attempt.delay_ms))
  else
    end_job(base, id, status, holder.limits)
  end
  return status
end

-- What a job that is put back without a verdict is settled with.
local function verdictless(outcome, detail, max_attempts, max_crashes)
  return {outcome = outcome, final = '0', delay_ms = 0, reason = '', error = '', result = '', receipt = '',
    detail = detail, max_attempts = max_attempts, max_crashes = max_crashes}
end
