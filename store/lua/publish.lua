-- publish: tell what an incarnation offers: the types that can run, and how many workers there are.
-- Promise: only a living, unvoided epoch writes. The newest registration of a type wins; what the name had published, no
--   longer has, and no other living supervisor has, goes; so does what nobody has published for seven days.
-- KEYS  1 record of the name (hash)  2 handlers (hash)  3 supervisors (zset)
-- ARGV  1 base  2 name  3 epoch  4 workers  5 types (JSON: type → fingerprint)  6 crash budgets, then type, entry
--       (opaque), …
-- Returns {'ok'} | {'reaped'} | {'superseded'}
-- include: relief
-- include: clock
-- include: incarnation
local record, handlers, supervisors = KEYS[1], KEYS[2], KEYS[3]
local base, name, epoch, workers, types, crash_budgets = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

-- Neither a type nor a fingerprint can hold a quotation mark.
local function offers(published, type_name)
  return string.find(published, '"' .. type_name .. '":', 1, true) ~= nil
end

local function others_offer()
  local offered = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', supervisors, '(' .. integer(now), '+inf')) do
    local other = string.match(member, '^(.*):%d+$')
    if other ~= name then offered[#offered + 1] = redis.call('HGET', base .. 'supervisor:' .. other, 'types') or '' end
  end
  return table.concat(offered)
end

local refused, found = refusal(record, epoch, 'types')
if refused then return {refused} end

local gone, others = {}, nil
for type_name in string.gmatch(found[3] or '', '"([^"]+)":') do
  if not offers(types, type_name) then
    others = others or others_offer()
    if not offers(others, type_name) then gone[#gone + 1] = type_name end
  end
end
redis.call('HSET', record, 'workers', workers, 'types', types, 'crash_budgets', crash_budgets)
for _, type_name in ipairs(gone) do redis.call('HDEL', handlers, type_name) end
for i = 7, #ARGV, 2 do redis.call('HSET', handlers, ARGV[i], integer(now) .. ' ' .. ARGV[i + 1]) end
local entries = redis.call('HGETALL', handlers)
for i = 1, #entries, 2 do
  if tonumber(string.match(entries[i + 1], '^%d+')) < now - 604800000 then redis.call('HDEL', handlers, entries[i]) end
end
return {'ok'}
