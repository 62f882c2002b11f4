-- supervisors: some of those who hold a lease.
-- Promise: changes nothing.
-- KEYS  1 supervisors (zset)
-- ARGV  1 base  2 how many to pass over  3 how many to take
-- Returns {now ms, {name, epoch, ms left of its lease, jobs running, value…}, …}: one list a supervisor (RECORD_FIELDS)
-- include: clock
local supervisors, base, offset, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local RECORD_FIELDS = {'host', 'pid', 'version', 'workers', 'queues', 'lease_ms', 'roster'}

local function describe(member, lease_end)
  local name, epoch = string.match(member, '^(.*):(%d+)$')
  local running = redis.call('HLEN', base .. 'running:' .. member)
  local values = redis.call('HMGET', base .. 'supervisor:' .. name, unpack(RECORD_FIELDS))
  return {name, epoch, integer(tonumber(lease_end) - now), running, unpack(values)}
end

local answer = {integer(now)}
local living = redis.call('ZRANGEBYSCORE', supervisors, '(' .. integer(now), '+inf', 'WITHSCORES', 'LIMIT', offset, count)
for i = 1, #living, 2 do answer[#answer + 1] = describe(living[i], living[i + 1]) end
return answer
