-- reconcile: after a new connection, agree on what this incarnation holds.
-- Promise: it is a call: it takes the place of the open one, whose late copy finds `old`. What we no longer list is put
--   back free; what we list and no longer hold is named, to be killed and dropped.
-- KEYS  1 record of the name (hash)  2 running (hash)
-- ARGV  1 base  2 name  3 epoch  4 call id  5 6 7 retention  8 number of jobs held, each: id, token
-- Returns {'ok', call id, {id, token, …} not ours} | {'old'} | {'reaped'} | {'superseded'}
-- include: relief
-- include: clock
-- include: telling
-- include: queueing
-- include: tagging
-- include: closing
-- include: ending
-- include: storing
-- include: webhooks
-- include: holding
-- include: appending
-- include: settle
-- include: incarnation
local record, running = KEYS[1], KEYS[2]
local base, name, epoch, call, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[8])
local holder = holder_of(base, name, epoch, retention(5))

local refused, known = refusal(record, epoch, 'last_call')
if refused then return {refused} end
if call < tonumber(known[3]) then return {'old'} end
redis.call('HSET', record, 'last_call', integer(call), 'last_answer', '')

local held, foreign = {}, {}
for i = 9, 8 + 2 * count, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  if is_held(read_fields(base .. 'job:' .. id, {'status', 'owner', 'epoch', 'token'}), holder, token) then
    held[id] = token
  else
    foreign[#foreign + 1], foreign[#foreign + 2] = id, token
  end
end
local index = redis.call('HGETALL', running)
for i = 1, #index, 2 do
  if held[index[i]] ~= index[i + 1] then
    settle(holder, index[i], index[i + 1], verdictless('recalled', '', '1', '1'))
    redis.call('HDEL', running, index[i])
  end
end
file_settled(holder)
-- Lost writes can have taken the index and left the job, never the other way round.
for id, token in pairs(held) do redis.call('HSET', running, id, token) end
return {'ok', integer(call), foreign}
