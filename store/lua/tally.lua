-- tally: add what attempts came to and cost to the sums of this minute, of this hour, and of all time.
-- Promise: numbered calls: a repeat of the last adds nothing. Of so many types a key holds sums; those of others are
--   added up as type `*`.
-- KEYS  1 record of the name (hash)
-- ARGV  1 base  2 epoch  3 number of the call  4 most types
--       then for each type: name, greatest peak RSS in bytes, number of figures, each: name, what to add
-- Returns {'ok'} | {'reaped'} | {'superseded'}
-- include: relief
-- include: clock
-- include: arguments
-- include: incarnation
local record = KEYS[1]
local base, epoch, number, most_types = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local refused, known = refusal(record, epoch, 'last_tally')
if refused then return {refused} end
if number <= tonumber(known[3]) then return {'ok'} end
redis.call('HSET', record, 'last_tally', integer(number))

local minute = base .. 'stats_minute:' .. integer(math.floor(now / 60000))
local hour = base .. 'stats_hour:' .. integer(math.floor(now / 3600000))
local total = base .. 'stats_total'

-- The number of types stands under the name that no type can have.
local function entry(key, type)
  if redis.call('HEXISTS', key, type .. ':peak_rss_bytes') == 1 then return type end
  if tonumber(redis.call('HGET', key, ':types') or 0) >= most_types then return '*' end
  redis.call('HINCRBY', key, ':types', 1)
  return type
end

local function add(key, type, peak, figures)
  type = entry(key, type)
  local before = tonumber(redis.call('HGET', key, type .. ':peak_rss_bytes') or 0)
  redis.call('HSET', key, type .. ':peak_rss_bytes', integer(math.max(before, peak)))
  for name, value in pairs(figures) do redis.call('HINCRBY', key, type .. ':' .. name, value) end
end

local take, left = arguments_after(4)
while left() do
  local type, peak, figures = take(), tonumber(take()), {}
  for _ = 1, tonumber(take()) do
    local name = take()
    figures[name] = take()
  end
  add(minute, type, peak, figures)
  add(hour, type, peak, figures)
  add(total, type, peak, figures)
end
-- A day of minutes, a month of hours, and one more of each.
redis.call('EXPIRE', minute, 86460)
redis.call('EXPIRE', hour, 2595600)
return {'ok'}
