-- register: begin an incarnation of a supervisor.
-- Promise: epochs of a name only grow, also over lost writes; a living namesake is taken over only with proof that it is
--   dead (we hold the lock whose id it registered); no job moves: takeover is reaping. A late copy of a call that was
--   given up ends no incarnation that its own process has begun since.
-- KEYS  1 record of the name (hash)  2 supervisors (zset)  3 meta (hash)
-- ARGV  1 name  2 lease ms  3 our lock id  4 schema  5 how many times we have asked, this one included  6 number of
--       proofs, then proofs: lock ids found in the lock we hold, then field, value, … for the record
-- Returns {'ok', epoch} | {'in_use', pid, host, ms left of its lease} | {'schema', found} | {'old'}
-- include: relief
-- include: clock
local record, supervisors, meta = KEYS[1], KEYS[2], KEYS[3]
local name, lease_ms, lock_id, schema = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local number, proof_count = tonumber(ARGV[5]), tonumber(ARGV[6])

local found = redis.call('HGET', meta, 'schema')
if found and string.match(found, '^%d+') ~= string.match(schema, '^%d+') then return {'schema', found} end
if not found then redis.call('HSET', meta, 'schema', schema) end

local old = redis.call('HMGET', record, 'epoch', 'lease_end', 'lock_id', 'pid', 'host', 'registration')
if old[3] == lock_id and tonumber(old[6] or 0) >= number then return {'old'} end
local epoch, lease_end = tonumber(old[1] or 0), tonumber(old[2] or 0)
local proven = '0'
for i = 7, 6 + proof_count do
  if ARGV[i] == old[3] then proven = '1' end
end
if lease_end > now and proven == '0' then return {'in_use', old[4], old[5], integer(lease_end - now)} end

-- The predecessor's lease is over now: whoever may reap finds it first.
if epoch > 0 and redis.call('ZSCORE', supervisors, name .. ':' .. integer(epoch)) then
  redis.call('ZADD', supervisors, 0, name .. ':' .. integer(epoch))
end
epoch = integer(math.max(epoch + 1, now_us))
redis.call('HSET', record, 'epoch', epoch, 'lock_id', lock_id, 'registration', number,
  'lease_end', integer(now + lease_ms), 'held_since', integer(now), 'proven', proven, 'last_call', 0, 'last_answer', '', 'last_tally', 0,
  unpack(ARGV, 7 + proof_count))
redis.call('PERSIST', record)
redis.call('ZADD', supervisors, integer(now + lease_ms), name .. ':' .. epoch)
return {'ok', epoch}
