-- repair: make one job and the indexes agree again.
-- Promise: the record decides, as it is now. A job without one leaves the indexes; one that is run by nobody whom a reaper
--   would find is put back free; one whose record does not say where it belongs is left as it is.
-- KEYS  1 job (hash)
-- ARGV  1 base  2 id, or the name of a type or tag, or the digest of a unique key  3 the index, below base, that is wrong about it  4 5 6 retention
-- Returns 'agrees' | 'filed' | 'put_back' | 'removed' | 'damaged'
-- include: clock
-- include: telling
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: storing
-- include: unique
-- include: webhooks
-- include: holding
-- include: appending
-- include: settle
local job, base, id, index, limits = KEYS[1], ARGV[1], ARGV[2], ARGV[3], retention(4)
local WORDS = {'status', 'queue', 'type'}
local NUMBERS = {'priority', 'sequence', 'created_ms', 'failures', 'crashes'}
local OPTIONAL = {'expires_ms', 'timeout_ms', 'max_attempts', 'max_crashes'}
-- What else a status needs, to say where it stands.
local NEEDS = {pending = {}, scheduled = {'run_at_ms'}, running = {'epoch', 'token'}, succeeded = {'ended_ms'},
  failed = {'ended_ms'}, cancelled = {'ended_ms'}, expired = {'ended_ms'}}

local function have_numbers(fields, names)
  for _, name in ipairs(names) do
    if not number(fields[name]) then return false end
  end
  return true
end

-- What the record says; nil when it is damaged.
local function read_record()
  local fields = read_fields(job, WORDS)
  read_fields(job, NUMBERS, fields)
  read_fields(job, {'owner', 'epoch', 'token', 'run_at_ms', 'ended_ms', 'tags'}, fields)
  read_fields(job, OPTIONAL, fields)
  local needs = NEEDS[fields.status]
  local whole = needs and fields.queue and fields.type and (fields.owner or fields.status ~= 'running')
  whole = whole and have_numbers(fields, NUMBERS) and have_numbers(fields, needs)
  for _, name in ipairs(OPTIONAL) do whole = whole and (not fields[name] or number(fields[name])) end
  return whole and fields or nil
end

local function is_of_running(name) return string.sub(name, 1, 8) == 'running:' end

-- Whether it is one of those of which exactly one names a job.
local function is_of_states(name)
  return name == 'scheduled' or is_of_running(name) or string.find(name, '^ready:') or string.find(name, '^ended:')
end

-- Both return whether that has changed anything.
local function enter(name, score)
  if is_of_running(name) then
    local before = redis.call('HGET', base .. name, id)
    redis.call('HSET', base .. name, id, score)
    return before ~= score
  end
  return redis.call('ZADD', base .. name, 'CH', score, id) == 1
end

local function remove_from(name)
  return redis.call(is_of_running(name) and 'HDEL' or 'ZREM', base .. name, id) == 1
end

-- The state index in which it stands, and its score there.
local function place_of(fields)
  if fields.status == 'pending' then
    return 'ready:' .. fields.queue, ready_score(fields.priority, fields.sequence)
  end
  if fields.status == 'running' then return 'running:' .. fields.owner .. ':' .. fields.epoch, fields.token end
  if fields.status == 'scheduled' then return 'scheduled', fields.run_at_ms end
  return 'ended:' .. fields.status, fields.ended_ms
end

local function file_in_state_indexes(fields)
  local place, score = place_of(fields)
  local changed = enter(place, score)
  if fields.status == 'pending' then
    changed = redis.call('SADD', base .. 'queues', fields.queue) == 1 or changed
    wake(base, fields.queue)
  end
  if is_of_states(index) and index ~= place then changed = remove_from(index) or changed end
  return changed
end

local function file_by_type(fields)
  local changed = enter('by_type:' .. fields.type, fields.created_ms)
  changed = redis.call('SADD', base .. 'types', fields.type) == 1 or changed
  if not string.find(index, '^by_type:') or index == 'by_type:' .. fields.type then return changed end
  changed = remove_from(index) or changed
  if redis.call('EXISTS', base .. index) == 0 then redis.call('SREM', base .. 'types', string.sub(index, 9)) end
  return changed
end

local function file_by_tags(fields)
  local changed = false
  for tag in each_tag(fields.tags) do
    changed = enter('by_tag:' .. tag, fields.created_ms) or changed
    changed = redis.call('SADD', base .. 'tags', tag) == 1 or changed
  end
  local tag = string.match(index, '^by_tag:(.*)$')
  if not tag or has_tag(fields.tags, tag) then return changed end
  changed = remove_from(index) or changed
  if redis.call('EXISTS', base .. index) == 0 then redis.call('SREM', base .. 'tags', tag) end
  return changed
end

local function file_expiring(fields)
  local waits = fields.status == 'pending' or fields.status == 'scheduled'
  if fields.expires_ms and waits and tonumber(fields.failures) + tonumber(fields.crashes) == 0 then
    return enter('expiring', fields.expires_ms)
  end
  return remove_from('expiring')
end

local function file(fields)
  local changed = file_in_state_indexes(fields)
  changed = enter('created', fields.created_ms) or changed
  changed = file_by_type(fields) or changed
  changed = file_by_tags(fields) or changed
  return file_expiring(fields) or changed
end

-- Nobody reaps an incarnation that is no member.
local function is_abandoned(fields)
  return fields.status == 'running'
    and not redis.call('ZSCORE', base .. 'supervisors', fields.owner .. ':' .. fields.epoch)
end

local function put_back_free(fields)
  local holder = holder_of(base, fields.owner, fields.epoch, limits)
  settle(holder, id, fields.token, verdictless('recalled', '', '1', '1'))
  file_settled(holder)
end

if index == 'unique:' .. id then
  if holder_of_key(base, id) then return 'agrees' end
  return redis.call('DEL', base .. index) == 1 and 'removed' or 'agrees'
end
if redis.call('EXISTS', job) == 1 then
  local fields = read_record()
  if not fields then return 'damaged' end
  local abandoned = is_abandoned(fields)
  if abandoned then put_back_free(fields) end
  local changed = file(abandoned and read_record() or fields)
  return abandoned and 'put_back' or changed and 'filed' or 'agrees'
end
if index == 'types' or index == 'tags' then
  if redis.call('EXISTS', base .. (index == 'types' and 'by_type:' or 'by_tag:') .. id) == 1 then return 'agrees' end
  return redis.call('SREM', base .. index, id) == 1 and 'removed' or 'agrees'
end
if is_of_states(index) then remove_from(index) end
redis.call('ZREM', base .. 'expiring', id)
forget(base, id, false)
return 'removed'
