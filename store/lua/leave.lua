-- leave: end an incarnation in good order.
-- Promise: what it still holds is put back free and its epoch is voided, in one step: afterwards it can write nothing.
-- KEYS  1 record of the name (hash)  2 supervisors (zset)  3 running (hash)  4 cancels (hash)  5 requests (hash)
-- ARGV  1 base  2 name  3 epoch  4 5 6 retention
-- Returns {'ok', jobs put back} | {'reaped'} | {'superseded'}
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
local record, supervisors, running, cancels, requests = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local base, name, epoch = ARGV[1], ARGV[2], ARGV[3]
local holder = holder_of(base, name, epoch, retention(4))

local refused = refusal(record, epoch)
if refused then return {refused} end
local index = redis.call('HGETALL', running)
for i = 1, #index, 2 do settle(holder, index[i], index[i + 1], verdictless('shutdown', '', '1', '1')) end
file_settled(holder)
redis.call('DEL', running, cancels, requests)
redis.call('ZREM', supervisors, name .. ':' .. epoch)
redis.call('HSET', record, 'lease_end', 0)
-- Epochs come from the clock: a record that is forgotten after a week brings none back.
redis.call('PEXPIRE', record, 604800000)
return {'ok', #index / 2}
