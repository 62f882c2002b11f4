-- delete: forget a job that has ended, or whose status is none.
-- Promise: its record and every entry in an index go together.
-- KEYS  1 job (hash)
-- ARGV  1 base  2 id
-- Returns {'ok'} | {'missing'} | {'not_ended', status}
-- include: clock
-- include: telling
-- include: tagging
-- include: closing
-- include: ending
-- include: queueing
-- include: storing
-- include: webhooks
-- include: ended
local job = KEYS[1]
local base, id = ARGV[1], ARGV[2]
local WAITING_OR_RUNNING = {scheduled = true, pending = true, running = true}

-- Whether the record is there, and its status is none: somebody else has written it.
local function is_damaged()
  local status = redis.call('HGET', job, 'status')
  if not status then return redis.call('EXISTS', job) == 1 end
  return not (ENDED[status] or WAITING_OR_RUNNING[status])
end

-- Takes a job out of every state index: its record does not tell in which it stands.
local function take_damaged()
  local found = redis.call('HMGET', job, 'owner', 'epoch')
  if found[1] and found[2] then redis.call('HDEL', base .. 'running:' .. found[1] .. ':' .. found[2], id) end
  for _, queue in ipairs(redis.call('SMEMBERS', base .. 'queues')) do redis.call('ZREM', base .. 'ready:' .. queue, id) end
  for status in pairs(ENDED) do redis.call('ZREM', base .. 'ended:' .. status, id) end
  redis.call('ZREM', base .. 'scheduled', id)
  redis.call('ZREM', base .. 'expiring', id)
end

if is_damaged() then
  take_damaged()
  AT_END.u(base, id)
  -- Its type and tags may be damaged as well: we look under all.
  forget(base, id, false)
  return {'ok'}
end
local refused = take_ended(base, id)
if refused then return refused end
forget(base, id, unpack(redis.call('HMGET', job, 'type', 'tags')))
return {'ok'}
