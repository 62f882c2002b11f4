-- Telling those who listen to events what happens; while nobody does, a call that tells asks for that once, and no more.

local EVENTS_KEPT, EVENTS_KEPT_MS = 10000, 3600000
-- nil: not asked yet.
local is_wanted

local function somebody_listens(base)
  if is_wanted == nil then is_wanted = redis.call('EXISTS', base .. 'events_wanted') == 1 end
  return is_wanted
end

local function add_event(base, ...)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', ...)
  redis.call('PEXPIRE', base .. 'events', EVENTS_KEPT_MS)
end

-- Tells what has happened to a job; its record says already what it has come to.
local function tell(base, event, id)
  if not somebody_listens(base) then return end
  local found = redis.call('HMGET', base .. 'job:' .. id, 'type', 'queue', 'status', 'attempt')
  add_event(base, 'event', event, 'id', id, 'type', found[1] or '', 'queue', found[2] or '', 'status', found[3] or '',
    'attempt', found[4] or '0')
end

-- Tells what has happened to a queue, or to `*`, all of them.
local function tell_queue(base, event, queue)
  if somebody_listens(base) then add_event(base, 'event', event, 'queue', queue) end
end
