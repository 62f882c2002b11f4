-- request: ask something of a supervisor that runs.
-- Promise: only a living incarnation is asked; what it was asked stays until it says that it is done, or ends.
-- KEYS  1 record of the name (hash)
-- ARGV  1 base  2 name  3 epoch, or '' for the newest  4 field: what is wanted  5 of what, or how much
-- Returns {'ok', now ms} | {'missing'}
-- include: clock
-- include: incarnation
-- include: hint
local record, base, name, field, what = KEYS[1], ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local epoch = ARGV[3] ~= '' and ARGV[3] or redis.call('HGET', record, 'epoch')

local refused, found = refusal(record, epoch)
if refused or tonumber(found[2]) <= now then return {'missing'} end
-- The time makes each request another one: what is done is told from what was asked meanwhile.
redis.call('HSET', base .. 'requests:' .. name .. ':' .. epoch, field, integer(now_us) .. ' ' .. what)
hint(base, name, 'request')
return {'ok', integer(now)}
