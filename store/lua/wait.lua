-- wait: have it told when jobs end.
-- Promise: whoever reads `ends` from before this call on hears of the end of each job that had not ended.
-- KEYS  1 the first job (hash)
-- ARGV  1 base  2 … ids, at most 200
-- Returns for each id its status as readers see it, or 'missing'
-- include: clock
-- include: telling
-- include: closing
-- include: ending
-- include: ended
local base, statuses = ARGV[1], {}
for i = 2, #ARGV do
  local job = base .. 'job:' .. ARGV[i]
  local found = redis.call('HMGET', job, 'status', 'expires_ms', 'failures', 'crashes')
  local status = found[1] or 'missing'
  if status == 'pending' or status == 'scheduled' then
    if is_expired(found[2], found[3], found[4]) then status = 'expired' end
  end
  if found[1] and not ENDED[status] then at_end(job, 'w') end
  statuses[i - 1] = status
end
return statuses
