-- Reading several sorted indexes as one.

-- How entries {score, id} follow each other: `before(a, b)` as `command` lists them, which ZCOUNT's bounds repeat.
-- Comparing ids as text is safe in any locale: hexadecimal digits, with hyphens in the same places.
local function order_of(descending)
  local function before(a, b)
    if a.score ~= b.score then a, b = a.score, b.score else a, b = a.id, b.id end
    if descending then return a > b end
    return a < b
  end
  return {before = before, descending = descending, command = descending and 'ZREVRANGE' or 'ZRANGE'}
end

-- The rank of the first entry behind `after`, whether that is still there or not.
local function rank_behind(order, key, after)
  local score = integer(after.score)
  local low = redis.call('ZCOUNT', key, order.descending and '(' .. score or '-inf',
    order.descending and '+inf' or '(' .. score)
  local high = low + redis.call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = redis.call(order.command, key, middle, middle)[1]
    if order.before(after, {score = after.score, id = id}) then high = middle else low = middle + 1 end
  end
  return low
end

-- A zset as a source: read in bites, from behind `after` on (nil: from its start).
local function zset_source(order, key, after, bite)
  local rank = after and rank_behind(order, key, after) or 0
  local function read()
    local entries = redis.call(order.command, key, rank, rank + bite - 1, 'WITHSCORES')
    rank = rank + bite
    return entries
  end
  return {read = read, entries = {}, at = -1}
end

-- Entries {score, id} in any order as a source.
local function list_source(order, list, after)
  table.sort(list, order.before)
  local entries = {}
  for _, entry in ipairs(list) do
    if not after or order.before(after, entry) then
      entries[#entries + 1], entries[#entries + 2] = entry.id, entry.score
    end
  end
  return {read = function() return {} end, entries = entries, at = -1}
end

-- Moves a source on to its next entry; false at its end.
local function advance(source)
  source.at = source.at + 2
  if source.at > #source.entries then source.entries, source.at = source.read(), 1 end
  source.id, source.score = source.entries[source.at], tonumber(source.entries[source.at + 1])
  return source.id ~= nil
end

-- A heap of the sources that hold anything, the one whose entry comes first on top.
local function heap_of(order, sources)
  local heap = {}
  for _, source in ipairs(sources) do
    if advance(source) then heap[#heap + 1] = source end
  end
  table.sort(heap, order.before)
  return heap
end

-- Takes the first entry of all.
local function pop(order, heap)
  local entry, at = {score = heap[1].score, id = heap[1].id}, 1
  if not advance(heap[1]) then
    heap[1] = heap[#heap]
    heap[#heap] = nil
  end
  while 2 * at <= #heap do
    local below = 2 * at
    if below < #heap and order.before(heap[below + 1], heap[below]) then below = below + 1 end
    if not order.before(heap[below], heap[at]) then break end
    heap[at], heap[below] = heap[below], heap[at]
    at = below
  end
  return entry
end
