-- declared: what handlers say of their jobs.
-- Promise: changes nothing.
-- KEYS  1 handlers (hash)
-- ARGV  1 … types, at least one and at most 200
-- Returns the entry of each type; false where nobody has published one
return redis.call('HMGET', KEYS[1], unpack(ARGV))
