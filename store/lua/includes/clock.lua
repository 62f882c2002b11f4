-- Time is Redis's own: no clock of ours is compared across hosts.
local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)

-- Lua would write 1.76e+14 for an integer of that size.
local function integer(number) return string.format('%.0f', number) end
