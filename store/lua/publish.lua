-- publish: tell what an incarnation offers: the types that can run, and how many workers there are.
-- Promise: only a living, unvoided epoch writes. The newest registration of a type wins; what nobody has published for
--   seven days goes.
-- KEYS  1 record of the name (hash)  2 handlers (hash)
-- ARGV  1 base  2 name  3 epoch  4 workers  5 types  6 crash budgets, then type, entry (opaque), …
-- Returns {'ok'} | {'reaped'} | {'superseded'}
-- include: relief
-- include: clock
-- include: incarnation
local record, handlers = KEYS[1], KEYS[2]
local epoch, workers, types, crash_budgets = ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local refused = refusal(record, epoch)
if refused then return {refused} end

redis.call('HSET', record, 'workers', workers, 'types', types, 'crash_budgets', crash_budgets)
for i = 7, #ARGV, 2 do redis.call('HSET', handlers, ARGV[i], integer(now) .. ' ' .. ARGV[i + 1]) end
local entries = redis.call('HGETALL', handlers)
for i = 1, #entries, 2 do
  if tonumber(string.match(entries[i + 1], '^%d+')) < now - 604800000 then redis.call('HDEL', handlers, entries[i]) end
end
return {'ok'}
