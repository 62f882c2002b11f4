-- queues: what waits in these queues.
-- Promise: changes nothing.
-- KEYS  1 paused (hash)
-- ARGV  1 base, then a few queues
-- Returns {now ms, pause of everything, {jobs pending, ms since when the oldest waits or -1, pause, priority, jobs of it, …},
--   …}: one list a queue; a pause as in `paused`, nil when there is none
-- include: clock
-- include: queueing
local paused, base = KEYS[1], ARGV[1]

-- Delayed jobs wait since they are due.
local function waits_since(id)
  local found = redis.call('HMGET', base .. 'job:' .. id, 'created_ms', 'run_at_ms')
  return math.max(tonumber(found[1]), tonumber(found[2]))
end

-- From the first job of one priority to the first of the next: what has no jobs costs nothing. The first of a priority
-- stands for its oldest.
local function describe(queue)
  local ready = base .. 'ready:' .. queue
  local count, position, oldest, by_priority = redis.call('ZCARD', ready), 0, -1, {}
  while position < count do
    local head = redis.call('ZRANGE', ready, position, position, 'WITHSCORES')
    local rank = math.floor(tonumber(head[2]) / SCORES_PER_PRIORITY)
    local next_position = redis.call('ZCOUNT', ready, '-inf', '(' .. integer((rank + 1) * SCORES_PER_PRIORITY))
    by_priority[#by_priority + 1] = 10 - rank
    by_priority[#by_priority + 1] = next_position - position
    local since = waits_since(head[1])
    if oldest == -1 or since < oldest then oldest = since end
    position = next_position
  end
  return {count, integer(oldest), redis.call('HGET', paused, queue), unpack(by_priority)}
end

local answer = {integer(now), redis.call('HGET', paused, '*')}
for i = 2, #ARGV do answer[i + 1] = describe(ARGV[i]) end
return answer
