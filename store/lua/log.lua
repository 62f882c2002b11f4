-- log: what a job has printed, from a chunk on, and where the job stands.
-- Promise: changes nothing. A log is bounded, so an answer is: 256 KiB and a few thousand chunks.
-- KEYS  1 job (hash)  2 its log (hash)
-- ARGV  1 number of the first chunk wanted  2 bytes the reader has
-- Returns {'missing'} | {'ok', status, bytes written, number of the last chunk, {chunk…}}, no chunk when the reader has all
-- include: clock
-- include: telling
-- include: closing
-- include: ending
local job, log = KEYS[1], KEYS[2]
local first, has = tonumber(ARGV[1]), tonumber(ARGV[2])

local found = redis.call('HMGET', job, 'status', 'expires_ms', 'failures', 'crashes')
local status = found[1]
if not status then return {'missing'} end
-- Readers see it as expired already.
if (status == 'pending' or status == 'scheduled') and is_expired(found[2], found[3], found[4]) then status = 'expired' end

local counters = redis.call('HMGET', log, 'written_bytes', 'next', 'head_chunks', 'oldest')
local written, next = tonumber(counters[1] or 0), tonumber(counters[2] or 0)
local chunks = {}

-- In steps: one command takes some thousand fields at most.
local function read_chunks(from, to)
  for start = from, to, 1000 do
    local numbers = {}
    for number = start, math.min(start + 999, to) do numbers[#numbers + 1] = integer(number) end
    for _, chunk in ipairs(redis.call('HMGET', log, unpack(numbers))) do
      if chunk then chunks[#chunks + 1] = chunk end
    end
  end
end

if written > has then
  local head_chunks, oldest = tonumber(counters[3] or 0), tonumber(counters[4] or 0)
  read_chunks(first, math.min(head_chunks, next) - 1)
  read_chunks(math.max(first, oldest, head_chunks), next - 1)
end
return {'ok', status, integer(written), integer(math.max(next - 1, 0)), chunks}
