-- publish: tell the API which types can run.
-- Promise: the newest registration of a type wins; what nobody has published for seven days goes.
-- KEYS  1 handlers (hash)
-- ARGV  type, entry (opaque), …
-- Returns 'ok'
-- include: relief
-- include: clock
local handlers = KEYS[1]
for i = 1, #ARGV, 2 do redis.call('HSET', handlers, ARGV[i], integer(now) .. ' ' .. ARGV[i + 1]) end
local entries = redis.call('HGETALL', handlers)
for i = 1, #entries, 2 do
  if tonumber(string.match(entries[i + 1], '^%d+')) < now - 604800000 then redis.call('HDEL', handlers, entries[i]) end
end
return 'ok'
