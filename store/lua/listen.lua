-- listen: have events told for half a minute more.
-- Promise: where events may be missing, because nobody has listened for a while, a `gap` stands between the others.
-- KEYS  1 events_wanted (string)  2 events (stream)
-- ARGV  1 base
-- Returns the id of the last event
-- include: telling
local wanted, events = KEYS[1], KEYS[2]
local base = ARGV[1]
if redis.call('EXISTS', wanted, events) < 2 then add_event(base, 'event', 'gap') end
redis.call('SET', wanted, 1, 'PX', 30000)
redis.call('PEXPIRE', events, EVENTS_KEPT_MS)
return redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1][1]
