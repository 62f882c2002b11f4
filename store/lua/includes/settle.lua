-- Ending one attempt: who may, what it spends, where the job goes.

local FREE = {shutdown = true, fenced = true, recalled = true, held = true}
local FAILURE = {raised = true, timed_out = true}
-- Another attempt would end the same way, or its effect has happened: no budget helps.
local HOPELESS = {rejected = 'invalid_payload', bad_result = 'bad_result'}
local CRASH = {crashed = true, out_of_memory = true, lost = true}
local UNHANDLED_FOR_MS = 600000

-- Where the job goes: its next status and, if that is failed, the reason. `spent` holds both budgets' counts.
local function next_status(attempt, fields, spent)
  if attempt.outcome == 'succeeded' then return 'succeeded' end
  -- A flagged job never goes back: a cancel that was accepted is kept.
  if fields.cancel_requested_ms or attempt.outcome == 'cancelled' then return 'cancelled' end
  -- Nobody knows where it would wait.
  if not fields.queue then return 'failed', 'damaged_record' end
  if attempt.final == '1' or HOPELESS[attempt.outcome] then return 'failed', HOPELESS[attempt.outcome] end
  if attempt.outcome == 'held' then return 'scheduled' end
  if FREE[attempt.outcome] then return 'pending' end
  if FAILURE[attempt.outcome] then
    if spent.failures >= number(fields.max_attempts, 1) then return 'failed', 'max_attempts' end
    return 'scheduled'
  end
  if CRASH[attempt.outcome] then
    if spent.crashes >= number(fields.max_crashes, 1) then return 'failed', 'crash_loop' end
    return 'pending'
  end
  if attempt.outcome == 'unhandled' then
    if now - number(fields.unhandled_ms, now) >= UNHANDLED_FOR_MS then return 'failed', 'unknown_handler' end
    return 'scheduled'
  end
  return error('unknown outcome ' .. attempt.outcome)
end

-- What ending any attempt needs to know of its job, and what else if it did not succeed. Nearly all succeed, and each
-- field read costs.
local HELD_FIELDS = {'status', 'owner', 'epoch', 'token', 'attempt', 'unhandled_ms', 'cancel_requested_ms',
  'log_bytes', 'at_end'}
local UNFINISHED_FIELDS = {'queue', 'priority', 'sequence', 'failures', 'crashes', 'max_attempts', 'max_crashes',
  'started_ms', 'worker', 'expires_ms', 'attempts_kept', 'ahead'}

-- One write of a hash: fields to set and fields to remove, collected.
local function write(job, set, gone)
  redis.call('HSET', job, unpack(set))
  if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
end

local function put(set, field, value)
  set[#set + 1], set[#set + 2] = field, value
end

-- Keeps the last 20 failed attempts: seven words of ours, then the supervisor's detail, which stays opaque.
local function keep_attempt(fields, attempt, set, gone)
  local count = number(fields.attempts_kept, 0) + 1
  local words = {attempt.outcome, fields.attempt or 0, fields.started_ms or 0, integer(now), fields.owner,
    fields.epoch, fields.worker or 0}
  put(set, 'attempts_kept', integer(count))
  put(set, 'attempt:' .. integer(count), table.concat(words, ' ') .. ' ' .. attempt.detail)
  if count > 20 then gone[#gone + 1] = 'attempt:' .. integer(count - 20) end
end

-- What the attempt leaves behind for those who read the job.
local function leave_verdict(fields, attempt, reason, set, gone)
  -- Nothing is there to remove before the first verdict.
  local fresh = fields.attempt == '1' and not fields.unhandled_ms
  local function leave(name, value)
    if value ~= '' then put(set, name, value) elseif not fresh then gone[#gone + 1] = name end
  end
  leave('reason', attempt.reason ~= '' and attempt.reason or reason or '')
  leave('error', attempt.error)
  leave('result', attempt.result)
  leave('receipt', attempt.receipt)
  -- The ten minutes count from the first of unhandled attempts in a row.
  if attempt.outcome == 'unhandled' then
    put(set, 'unhandled_ms', fields.unhandled_ms or integer(now))
  elseif fields.unhandled_ms then
    gone[#gone + 1] = 'unhandled_ms'
  end
end

-- Puts a job back where it waits. What spent nothing counts as not started, so its expiry holds again.
local function put_back(base, id, fields, spent, status, due)
  local expires = number(fields.expires_ms)
  if expires and spent.failures + spent.crashes == 0 then
    redis.call('ZADD', base .. 'expiring', integer(expires), id)
  end
  if status == 'pending' then
    put_ready(base, id, fields.queue, fields.priority, fields.sequence)
    wake(base, fields.queue)
  else
    put_scheduled(base, id, fields.queue, due)
  end
end

-- The incarnation in whose name attempts are settled, with what `file_settled` has still to do.
local function holder_of(base, name, epoch, limits)
  return {base = base, name = name, epoch = epoch, limits = limits, settled = {}, flagged = {}, ended = {}}
end

-- Writes where the job goes now into its record and, if it goes back, into the index where it waits.
local function move(holder, id, fields, attempt, spent, status, set, gone)
  local job = holder.base .. 'job:' .. id
  if status == 'pending' or status == 'scheduled' then
    local due = now + tonumber(attempt.delay_ms)
    put(set, 'attempt', spent.failures + spent.crashes)
    if status == 'scheduled' then put(set, 'run_at_ms', integer(due)) end
    write(job, set, gone)
    put_back(holder.base, id, fields, spent, status, due)
    tell(holder.base, 'returned', id)
    return
  end
  put(set, 'ended_ms', now)
  write(job, set, gone)
  expire_record(job, status, holder.limits, fields.log_bytes or attempt.log)
  holder.ended[status] = holder.ended[status] or {}
  table.insert(holder.ended[status], id)
  close_job(holder.base, id, status, fields.at_end)
end

-- Counts what the attempt spends of the job's budgets.
local function spend(fields, attempt, set)
  fields.max_attempts = fields.max_attempts or attempt.max_attempts
  fields.max_crashes = fields.max_crashes or attempt.max_crashes
  local spent = {
    failures = number(fields.failures, 0) + (FAILURE[attempt.outcome] and 1 or 0),
    crashes = number(fields.crashes, 0) + (CRASH[attempt.outcome] and 1 or 0),
  }
  put(set, 'failures', spent.failures)
  put(set, 'crashes', spent.crashes)
  return spent
end

-- What a job that is put back without a verdict is settled with.
local function verdictless(outcome, detail, max_attempts, max_crashes)
  return {outcome = outcome, final = '0', delay_ms = 0, reason = '', error = '', result = '', receipt = '',
    progress = '', detail = detail, max_attempts = max_attempts, max_crashes = max_crashes}
end

-- Settles one attempt of the incarnation `holder`. `attempt` holds outcome, final, delay_ms, reason, error, result,
-- receipt, detail, max_attempts, max_crashes (the last two for jobs that have none of their own), progress ('': none that
-- has not been reported), log (chunks that may not have been reported yet, or nil).
-- Returns the job's next status; 'stale' or 'missing' when the attempt is no longer valid, and then writes nothing
-- to the job: whoever lost the claim writes nothing. `file_settled` must follow, before anything is claimed.
local function settle(holder, id, token, attempt)
  local job = holder.base .. 'job:' .. id
  local fields, spent, set, gone = read_fields(job, HELD_FIELDS), nil, {}, {}
  if not fields.status then return 'missing' end
  if not is_held(fields, holder, token) then return 'stale' end
  if attempt.outcome ~= 'succeeded' then
    read_fields(job, UNFINISHED_FIELDS, fields)
    if attempt.outcome == 'lost' and fields.ahead == '1' then
      -- It has hardly started, and is not charged; but only once, for it may have, and be what ends its supervisors.
      attempt = verdictless('recalled', '', attempt.max_attempts, attempt.max_crashes)
      put(set, 'ahead', 0)
    end
    spent = spend(fields, attempt, set)
  end
  local status, reason = next_status(attempt, fields, spent)
  put(set, 'status', status)
  if attempt.detail ~= '' then keep_attempt(fields, attempt, set, gone) end
  -- What did not count says nothing: then the job keeps what the attempt before left behind.
  if not FREE[attempt.outcome] then
    leave_verdict(fields, attempt, reason, set, gone)
  elseif attempt.outcome == 'held' and status == 'scheduled' then
    put(set, 'held', attempt.reason)
  end
  if attempt.progress ~= '' then
    put(set, 'progress', attempt.progress)
    put(set, 'progress_ms', integer(now))
  end
  if attempt.log then append_log(job, token, fields.attempt, attempt.log) end
  move(holder, id, fields, attempt, spent, status, set, gone)
  holder.settled[#holder.settled + 1] = id
  if fields.cancel_requested_ms then table.insert(holder.flagged, id) end
  return status
end

-- What settling does to the indexes of running and of ended jobs, for all jobs at once.
local function file_settled(holder)
  local suffix = holder.name .. ':' .. holder.epoch
  if #holder.settled > 0 then redis.call('HDEL', holder.base .. 'running:' .. suffix, unpack(holder.settled)) end
  if #holder.flagged > 0 then redis.call('HDEL', holder.base .. 'cancels:' .. suffix, unpack(holder.flagged)) end
  for status, ids in pairs(holder.ended) do file_ended(holder.base, status, ids, holder.limits, integer(now)) end
end
