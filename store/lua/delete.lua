-- delete: forget a job that has ended, or whose status is none.
-- Promise: its record and every entry in an index go together.
-- KEYS  1 job (hash)
-- ARGV  1 base  2 id
-- Returns {'ok'} | {'missing'} | {'not_ended', status}
-- include: clock
-- include: ending
-- include: ended
local job = KEYS[1]
local base, id = ARGV[1], ARGV[2]

if is_damaged(base, id) then
  take_damaged(base, id)
  -- Its type may be damaged as well: we look under all.
  forget(base, id, false)
  return {'ok'}
end
local refused = take_ended(base, id)
if refused then return refused end
forget(base, id, redis.call('HGET', job, 'type'))
return {'ok'}
