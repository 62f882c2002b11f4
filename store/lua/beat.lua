-- beat: renew a lease, hear which jobs are to be cancelled, reap a bounded step of a dead incarnation.
-- Promise: only a living, unvoided epoch is renewed. Reaping voids the epoch before it moves its first job. Nobody reaps
--   who has not held its own lease for a full term, except earlier epochs of its own name proven dead.
-- KEYS  1 record of the name (hash)  2 supervisors (zset)  3 running (hash)  4 cancels (hash)  5 meta (hash)
--       6 requests (hash)
-- ARGV  1 base  2 name  3 epoch  4 lease ms  5 6 7 retention  8 max attempts  9 max crashes (of jobs without their own)
--       10 roster (opaque)  11 … field and value of each request that is done
-- Returns {'ok', lease ms, size of running, ms until there may be something to reap or -1, jobs reaped,
--   {id, token and note, …} to cancel, {field, value, …} requested, how many others hold a lease,
--   ms until a schedule is due or -1}
--   | {'reaped'} | {'superseded'}
-- include: relief
-- include: clock
-- include: telling
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: storing
-- include: webhooks
-- include: holding
-- include: appending
-- include: settle
-- include: incarnation
-- include: hint
-- include: dues
local record, supervisors, running, cancels, meta, requests = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local base, name, epoch, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local limits, max_attempts, max_crashes, roster = retention(5), ARGV[8], ARGV[9], ARGV[10]

local refused, mine = refusal(record, epoch, 'held_since', 'proven')
if refused then return {refused} end

local held_since, proven = tonumber(mine[3]), mine[4] == '1'
if tonumber(mine[2]) <= now then held_since = now end
redis.call('HSET', record, 'lease_end', integer(now + lease_ms), 'held_since', integer(held_since), 'roster', roster)
redis.call('ZADD', supervisors, integer(now + lease_ms), name .. ':' .. epoch)

-- A long silence of everybody, or a step of the clock: leases may have ended with nobody dead. Nobody reaps for a term.
local beats = read_fields(meta, {'last_beat', 'reap_after'})
local reap_after = tonumber(beats.reap_after or 0)
if now - tonumber(beats.last_beat or 0) > lease_ms / 2 then reap_after = now + lease_ms end
redis.call('HSET', meta, 'last_beat', integer(now), 'reap_after', integer(reap_after))
local may_reap_at = math.max(reap_after, held_since + lease_ms)

local function void(other_name, other_epoch)
  local other = base .. 'supervisor:' .. other_name
  if redis.call('HGET', other, 'epoch') == other_epoch then
    redis.call('HSET', other, 'lease_end', 0)
    redis.call('PEXPIRE', other, 604800000)
  end
end

-- What a job may crash when it was enqueued before its type was known: as its supervisor's handler declares, else ours.
local function crash_budget(declared, id)
  local type = redis.call('HGET', base .. 'job:' .. id, 'type')
  local _, behind = string.find(declared, ' ' .. (type or '') .. '=', 1, true)
  return behind and string.match(declared, '%d+', behind) or max_crashes
end

-- Why an attempt is lost, as JSON of ErrorInfo. `lease_end` is 0 when a successor of the same name has taken over.
local function lost(other_name, other_epoch, lease_end)
  local theirs = read_fields(base .. 'supervisor:' .. other_name, {'epoch', 'host', 'lease_ms'})
  local why = 'it has ended, and a successor has taken its name'
  if lease_end > 0 and theirs.epoch == other_epoch then
    -- A host's name may hold anything, and must not end the JSON.
    local host = string.gsub(string.sub(theirs.host or '?', 1, 255), '[^%w._-]', '?')
    local silent_s = (now - lease_end + tonumber(theirs.lease_ms or 0)) / 1000
    why = string.format('on host %s it has been silent for %.1f s, and its lease has ended', host, silent_s)
  end
  return '{"type":"lost","message":"the supervisor ' .. other_name .. ' was lost: ' .. why .. '"}'
end

-- So many settle in about 1 ms.
local REAPED_PER_BEAT = 50

local function reap(other_name, other_epoch, lease_end)
  local verdict = lost(other_name, other_epoch, lease_end)
  void(other_name, other_epoch)
  local theirs = holder_of(base, other_name, other_epoch, limits)
  local index = base .. 'running:' .. other_name .. ':' .. other_epoch
  local entries = redis.call('HGETALL', index)
  local declared = redis.call('HGET', base .. 'supervisor:' .. other_name, 'crash_budgets') or ''
  local step = math.min(#entries / 2, REAPED_PER_BEAT)
  for i = 1, 2 * step, 2 do
    local attempt = verdictless('lost', '{"error":' .. verdict .. '}', max_attempts, crash_budget(declared, entries[i]))
    attempt.error = verdict
    settle(theirs, entries[i], entries[i + 1], attempt)
    redis.call('HDEL', index, entries[i])
  end
  file_settled(theirs)
  if redis.call('HLEN', index) == 0 then
    local suffix = other_name .. ':' .. other_epoch
    redis.call('DEL', base .. 'cancels:' .. suffix, base .. 'requests:' .. suffix)
    redis.call('ZREM', supervisors, other_name .. ':' .. other_epoch)
  end
  return step
end

-- One dead incarnation a beat; the time of the next tells the caller when to come again.
local reaped, again_at = 0, -1
for _, member in ipairs(redis.call('ZRANGE', supervisors, 0, 9)) do
  local other_name, other_epoch = string.match(member, '^(.*):(%d+)$')
  local lease_end = tonumber(redis.call('ZSCORE', supervisors, member))
  local own_past = other_name == name and proven and tonumber(other_epoch) < tonumber(epoch)
  local at = math.max(lease_end, own_past and 0 or may_reap_at)
  if member ~= name .. ':' .. epoch then
    if at <= now and reaped == 0 then
      reaped = reap(other_name, other_epoch, lease_end)
      at = now
    end
    if redis.call('ZSCORE', supervisors, member) and (again_at == -1 or at < again_at) then again_at = at end
  end
end
-- What was asked again meanwhile is not done yet.
for i = 11, #ARGV, 2 do
  if redis.call('HGET', requests, ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', requests, ARGV[i]) end
end
local wait = again_at == -1 and -1 or math.max(again_at - now, 0)
return {'ok', lease_ms, redis.call('HLEN', running), wait, reaped, redis.call('HGETALL', cancels),
  redis.call('HGETALL', requests), redis.call('ZCOUNT', supervisors, '(' .. integer(now), '+inf') - 1,
  fire_in(base .. 'schedules')}
