-- supervisors: who holds a lease.
-- Promise: changes nothing.
-- KEYS  1 supervisors (zset)
-- ARGV  none
-- Returns {`name:epoch`, ms left of its lease, …}
-- include: clock
local living, members = {}, redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. integer(now), '+inf', 'WITHSCORES')
for i = 1, #members, 2 do
  living[i], living[i + 1] = members[i], integer(tonumber(members[i + 1]) - now)
end
return living
