-- Putting jobs where they wait, and hinting to those who may claim them.

-- Hints to whoever serves the queue, by its name or with all others. One token is enough: a claim that leaves jobs
-- behind pushes the next.
local function wake(base, queue)
  for _, list in ipairs({base .. 'wake:' .. queue, base .. 'wake:*'}) do
    if redis.call('LLEN', list) == 0 then redis.call('RPUSH', list, '1') end
  end
end

-- 2^44: scores stay below 2^53, so exact.
local SCORES_PER_PRIORITY = 17592186044416

-- 10 is the highest priority; within one, first in, first out.
local function ready_score(priority, sequence)
  return integer((10 - number(priority, 5)) * SCORES_PER_PRIORITY + number(sequence, 0))
end

local function put_ready(base, id, queue, priority, sequence)
  redis.call('ZADD', base .. 'ready:' .. queue, ready_score(priority, sequence), id)
end

-- A new earliest due time wakes a supervisor, which then sleeps until it.
local function put_scheduled(base, id, queue, due)
  redis.call('ZADD', base .. 'scheduled', integer(due), id)
  if redis.call('ZRANGE', base .. 'scheduled', 0, 0)[1] == id then wake(base, queue) end
end
