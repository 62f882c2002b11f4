-- Appending output to a job's log: the first 64 KiB of it and the last 192 KiB, over all its attempts.

local HEAD_BYTES, TAIL_BYTES = 65536, 196608
-- Of more chunks than these, in head or tail, small ones are joined: a field costs more than the dot that it holds.
local MANY_CHUNKS, SMALL_BYTES = 1000, 1024

local function open_log(key)
  local found = read_fields(key, {'next', 'head_chunks', 'oldest', 'head_bytes', 'tail_bytes', 'written_bytes', 'position'})
  local token, position = string.match(found.position or '', '^(%d+) (%d+)$')
  return {key = key, next = number(found.next, 0), head_chunks = number(found.head_chunks, 0),
    oldest = number(found.oldest, 0), head_bytes = number(found.head_bytes, 0),
    tail_bytes = number(found.tail_bytes, 0), written_bytes = number(found.written_bytes, 0),
    token = token, position = number(position, 0)}
end

-- Writes the counters of an open log back, also into the job's record.
local function close_log(log, job)
  redis.call('HSET', log.key, 'next', integer(log.next), 'head_chunks', integer(log.head_chunks),
    'oldest', integer(log.oldest), 'head_bytes', log.head_bytes, 'tail_bytes', log.tail_bytes,
    'written_bytes', integer(log.written_bytes), 'position', log.token .. ' ' .. integer(log.position))
  redis.call('HSET', job, 'log_bytes', integer(log.written_bytes))
end

local function store_chunk(log, number, read_ms, attempt, at, data)
  redis.call('HSET', log.key, integer(number), table.concat({read_ms, attempt, integer(at), data}, ' '))
end

local function read_chunk(log, number)
  local value = redis.call('HGET', log.key, integer(number)) or ''
  local read_ms, attempt, at, first = string.match(value, '^(%d+) (%d+) (%d+) ()')
  if not first then return nil end
  return {read_ms = read_ms, attempt = attempt, at = tonumber(at), data = string.sub(value, first)}
end

-- Appends to the last chunk if that is of the same attempt, goes on here, and both are small; else returns false.
local function join(log, attempt, data)
  local last = #data <= SMALL_BYTES and read_chunk(log, log.next - 1)
  if not last or last.attempt ~= attempt or #last.data + #data > SMALL_BYTES then return false end
  if last.at + #last.data ~= log.written_bytes then return false end
  store_chunk(log, log.next - 1, last.read_ms, attempt, last.at, last.data .. data)
  return true
end

-- Adds a chunk to head or tail, of which it is one of `count`.
local function add_chunk(log, count, read_ms, attempt, data)
  if count < MANY_CHUNKS or not join(log, attempt, data) then
    store_chunk(log, log.next, read_ms, attempt, log.written_bytes, data)
    log.next = log.next + 1
  end
  log.written_bytes = log.written_bytes + #data
end

local function add_to_head(log, read_ms, attempt, data)
  add_chunk(log, log.next, read_ms, attempt, data)
  log.head_bytes, log.head_chunks, log.oldest = log.head_bytes + #data, log.next, log.next
end

local function add_to_tail(log, read_ms, attempt, data)
  add_chunk(log, log.next - log.oldest, read_ms, attempt, data)
  log.tail_bytes = log.tail_bytes + #data
end

-- Takes from the front of the tail what is too much, to the byte.
local function trim_log(log)
  for number = log.oldest, log.next - 1 do
    local surplus = log.tail_bytes - TAIL_BYTES
    if surplus <= 0 then return end
    local chunk = read_chunk(log, number) or {data = ''}
    if #chunk.data > surplus then
      store_chunk(log, number, chunk.read_ms, chunk.attempt, chunk.at + surplus, string.sub(chunk.data, surplus + 1))
      log.tail_bytes = TAIL_BYTES
      return
    end
    redis.call('HDEL', log.key, integer(number))
    log.oldest, log.tail_bytes = number + 1, log.tail_bytes - #chunk.data
  end
end

-- Appends what the log has not yet of one chunk {at, read_ms, data}. Nothing may be left of it; after a gap an empty one
-- stays, so that readers hear of the gap.
local function append_chunk(log, attempt, chunk)
  local gap, data = chunk.at - log.position, chunk.data
  if gap < 0 then
    data = string.sub(data, 1 - gap)
  elseif gap > 0 then
    log.written_bytes = log.written_bytes + gap
  end
  if gap <= 0 and data == '' then return end
  log.position = chunk.at + #chunk.data
  local room = HEAD_BYTES - log.head_bytes
  if room > 0 then
    add_to_head(log, chunk.read_ms, attempt, string.sub(data, 1, room))
    data = string.sub(data, room + 1)
    if data == '' then return end
  end
  add_to_tail(log, chunk.read_ms, attempt, data)
end

-- Appends output of the attempt that holds the job. `at` counts the attempt's own bytes: what comes again is skipped,
-- whoever brings it, and what is missing is counted.
local function append_log(job, token, attempt, chunks)
  local log = open_log(job .. ':log')
  if log.token ~= token then log.token, log.position = token, 0 end
  for _, chunk in ipairs(chunks) do append_chunk(log, attempt, chunk) end
  trim_log(log)
  close_log(log, job)
end

-- Takes chunks as ARGV lists them, their number first; nil when there are none.
local function take_chunks(take)
  local count = take()
  if count == '0' then return nil end
  local chunks = {}
  for i = 1, tonumber(count) do chunks[i] = {at = tonumber(take()), read_ms = take(), data = take()} end
  return chunks
end
