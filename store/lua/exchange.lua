-- exchange: settle what ended, store the follow-up jobs of what succeeded, promote what is due, claim for idle workers.
-- Promise: numbered calls. A repeat of the last call answers as it did and does nothing again; an older one does nothing.
--   A job is in exactly one index before and after. Nothing is claimed once the lease has ended.
-- KEYS  1 record of the name (hash)  2 running (hash)  3 meta (hash)  4 queues (set)  5 scheduled (zset)
--       6 expiring (zset)  7 paused (hash)  8 types (set)  9 tags (set)
-- ARGV  1 base  2 name  3 epoch  4 call id  5 6 7 retention  8 most bytes to claim
--       9 how many queues may exist  10 how many types  11 how many tags
--       12 number of settles, each: id, token, outcome, final, delay ms, reason, error, result, receipt, detail,
--         max attempts, max crashes, progress (opaque; '': nothing new), number of chunks of output, each: at, read ms,
--         bytes, number of follow-up jobs, each as read_job takes it;
--       then number of queues served (0: all), each a name;
--       then number of claims wanted, each: worker pid, queue preferred ('': none)
-- Returns {'ok', ms until the next job is due or -1, {settle word…}, {job…}} with a job as claimed_row lists it
--   | {'reaped'} | {'superseded'} | {'old'}
-- include: relief
-- include: clock
-- include: telling
-- include: arguments
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: holding
-- include: appending
-- include: settle
-- include: storing
-- include: webhooks
-- include: followups
-- include: incarnation
-- include: claim
local record, running, meta, queues = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local scheduled, expiring, paused = KEYS[5], KEYS[6], KEYS[7]
local base, name, epoch, call, max_bytes = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[8])
local holder = holder_of(base, name, epoch, retention(5))

local refused, known = refusal(record, epoch, 'last_call')
if refused then return {refused} end
local lease_end, last_call = tonumber(known[2]), tonumber(known[3])
if call < last_call then return {'old'} end

local function due_in()
  local first = redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
  return first[1] and math.max(tonumber(first[2]) - now, 0) or -1
end
if call == last_call then
  local words, jobs = replay(holder, redis.call('HGET', record, 'last_answer'))
  return {'ok', due_in(), words, jobs}
end

local take = arguments_after(11)

local words, promoted, names = {}, {}, nil
for i = 1, tonumber(take()) do
  local id, token = take(), take()
  local attempt = {outcome = take(), final = take(), delay_ms = take(), reason = take(), error = take(),
    result = take(), receipt = take(), detail = take(), max_attempts = take(), max_crashes = take(),
    progress = take(), log = take_chunks(take)}
  local follow_ups = {}
  for j = 1, tonumber(take()) do follow_ups[j] = read_job(take) end
  if #follow_ups > 0 and not names then
    names = registers_of({queues = queues, types = KEYS[8], tags = KEYS[9]}, ARGV[9], ARGV[10], ARGV[11])
  end
  words[i] = settle_with(holder, meta, names, follow_ups, id, token, attempt, promoted)
end

file_settled(holder)

local next_due = due_in()
if next_due == 0 then
  promote_due(base, meta, scheduled, promoted)
  next_due = due_in()
end
expire_due(base, expiring, holder.limits)

local served, wanted = {}, {}
for i = 1, tonumber(take()) do served[i] = take() end
for i = 1, tonumber(take()) do wanted[i] = {worker = take(), prefers = take()} end
local jobs = {}
if #wanted > 0 and lease_end > now then
  if #served == 0 then served = redis.call('SMEMBERS', queues) end
  jobs = claim(holder, running, open_queues(paused, served), wanted, max_bytes)
end
-- For others: we may not serve these queues, or not have claimed all.
for queue in pairs(promoted) do
  if redis.call('EXISTS', base .. 'ready:' .. queue) == 1 then wake(base, queue) end
end
redis.call('HSET', record, 'last_call', integer(call), 'last_answer', remember(words, jobs))
return {'ok', next_due, words, jobs}
