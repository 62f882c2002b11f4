-- When the next schedule is due.

-- The score of one that is paused, or never due again: no date is that late.
local NEVER = '9007199254740991'

-- In ms from now; -1: none is.
local function fire_in(schedules)
  local first = redis.call('ZRANGEBYSCORE', schedules, '-inf', '(' .. NEVER, 'WITHSCORES', 'LIMIT', 0, 1)
  return first[1] and math.max(tonumber(first[2]) - now, 0) or -1
end

-- Tells living supervisors that there is another next time; who is not told knows it by its next beat.
local function tell_supervisors(base)
  local living = redis.call('ZREVRANGEBYSCORE', base .. 'supervisors', '+inf', '(' .. integer(now), 'LIMIT', 0, 10)
  for _, member in ipairs(living) do hint(base, string.match(member, '^(.*):%d+$'), 'schedule') end
end

-- Enters when a schedule is due next; '': not again.
local function set_due(base, record, name, due)
  redis.call('HSET', record, 'next_due_ms', due)
  redis.call('ZADD', base .. 'schedules', due == '' and NEVER or due, name)
end
