-- Time is Redis's own: no clock of ours is compared across hosts.
local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)

-- Lua would write 1.76e+14 for an integer of that size.
local function integer(number) return string.format('%.0f', number) end

-- What a job's record says, if it is a number that we can have written. Somebody else may have written there, and nothing
-- that one job says may stop the script, for then it stops all jobs.
local function number(text, default)
  local found = tonumber(text)
  if found and found > -9007199254740992 and found < 9007199254740992 then return found end
  return default
end
