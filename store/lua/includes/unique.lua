-- Unique keys: of the jobs with one of them, one waits or runs. `unique:<digest>` names it, and goes when it ends.

local ALIVE = {scheduled = true, pending = true, running = true}

-- The job that holds the key: {id, status, type, queue, priority}; nil when nobody does. What names a job that has ended,
-- is expired, was deleted or damaged holds nothing, so that no key is ever stuck.
local function holder_of_key(base, digest)
  local id = redis.call('GET', base .. 'unique:' .. digest)
  if not id then return nil end
  local found = redis.call('HMGET', base .. 'job:' .. id, 'unique', 'status', 'type', 'queue', 'priority', 'expires_ms',
    'failures', 'crashes')
  local status, type, queue, priority = unpack(found, 2, 5)
  if found[1] ~= digest or not ALIVE[status] or not type or not queue then return nil end
  if status ~= 'running' and is_expired(found[6], found[7], found[8]) then return nil end
  return {id, status, type, queue, integer(number(priority, 5))}
end

local function take_key(base, digest, id) redis.call('SET', base .. 'unique:' .. digest, id) end
