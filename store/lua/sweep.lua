-- sweep: delete ended jobs that have been kept long enough, also while nothing ends.
-- Promise: a job goes with all its index entries, and takes those along that a job left behind whose own TTL had taken it.
-- KEYS  1 meta (hash)
-- ARGV  1 base  2 3 4 retention  5 most to delete
-- Returns how many are left to delete
-- include: relief
-- include: clock
-- include: telling
-- include: tagging
-- include: closing
-- include: ending
local base, limits, most = ARGV[1], retention(2), tonumber(ARGV[5])

local left = 0
for _, status in ipairs({'succeeded', 'failed', 'cancelled', 'expired'}) do
  local deleted, remaining = trim_ended(base, status, limits, most)
  left, most = left + remaining, most - deleted
end
return left
