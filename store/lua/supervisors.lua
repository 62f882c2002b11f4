-- supervisors: some of the incarnations that have not been reaped.
-- Promise: changes nothing.
-- KEYS  1 supervisors (zset)
-- ARGV  1 base  2 living: those who hold a lease, or all  3 how many to pass over  4 how many to take
-- Returns {now ms, {name, epoch, ms left of its lease or 0 if a successor has its name, jobs running, value…}, …}:
--   one list a supervisor (RECORD_FIELDS)
-- include: clock
local supervisors, base, which, offset, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local RECORD_FIELDS = {'host', 'pid', 'version', 'workers', 'queues', 'lease_ms', 'roster', 'types'}

local function describe(member, lease_end)
  local name, epoch = string.match(member, '^(.*):(%d+)$')
  local running = redis.call('HLEN', base .. 'running:' .. member)
  local values = redis.call('HMGET', base .. 'supervisor:' .. name, 'epoch', unpack(RECORD_FIELDS))
  -- The record is its successor's when the name has been taken over.
  if table.remove(values, 1) ~= epoch then
    for i in ipairs(RECORD_FIELDS) do values[i] = false end
  end
  local left = tonumber(lease_end) == 0 and 0 or tonumber(lease_end) - now
  return {name, epoch, integer(left), running, unpack(values)}
end

local answer = {integer(now)}
local from = which == 'living' and '(' .. integer(now) or '-inf'
local found = redis.call('ZRANGEBYSCORE', supervisors, from, '+inf', 'WITHSCORES', 'LIMIT', offset, count)
for i = 1, #found, 2 do answer[#answer + 1] = describe(found[i], found[i + 1]) end
return answer
