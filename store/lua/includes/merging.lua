-- Reading several sorted indexes as one.

-- How entries {score, id} follow each other: `before(a, b)` as `command` lists them, which ZCOUNT's bounds repeat.
-- Comparing ids as text is safe in any locale: hexadecimal digits, with hyphens in the same places.
local function order_of(descending)
  local function before(a, b)
    if a.score ~= b.score then a, b = a.score, b.score else a, b = a.id, b.id end
    if descending then return a > b end
    return a < b
  end
  return {before = before, descending = descending, command = descending and 'ZREVRANGE' or 'ZRANGE',
    last = descending and '-inf' or '+inf'}
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

-- The next entry of what a source has read; false when that is used up.
local function step(source)
  source.at = source.at + 2
  source.id, source.score = source.entries[source.at], tonumber(source.entries[source.at + 1])
  return source.id ~= nil
end

-- Reads a zset on behind `after`: one call, unless `after` stands amid many of its score. False at the end.
local function read(order, source, after, count)
  source.at, source.entries = -1, redis.call(order.command .. 'BYSCORE', source.key, integer(after.score), order.last,
    'WITHSCORES', 'LIMIT', 0, count)
  while step(source) do
    if order.before(after, source) then return true end
  end
  if #source.entries < 2 * count then return false end
  local rank = rank_behind(order, source.key, after)
  source.at, source.entries = -1, redis.call(order.command, source.key, rank, rank + count - 1, 'WITHSCORES')
  return step(source)
end

-- Moves a source on to its next entry; false at its end.
local function advance(order, source)
  local last = {score = source.score, id = source.id}
  if step(source) then return true end
  if not source.key then return false end
  -- The more a source has given the more it is asked for.
  source.bite = math.min(4 * source.bite, 100)
  return read(order, source, last, source.bite)
end

-- A zset as a source, from behind `after` on (nil: from its start); nil without an entry. There may be a thousand of
-- them, most of which give nothing to a page: one call each, for what is needed to compare.
local function zset_source(order, key, after)
  local source = {key = key, bite = 1, at = -1}
  if after then return read(order, source, after, source.bite) and source or nil end
  source.entries = redis.call(order.command, key, 0, 0, 'WITHSCORES')
  return step(source) and source or nil
end

-- Entries {score, id} in any order as a source.
local function list_source(order, list, after)
  table.sort(list, order.before)
  local source = {entries = {}, at = -1}
  for _, entry in ipairs(list) do
    if not after or order.before(after, entry) then
      table.insert(source.entries, entry.id)
      table.insert(source.entries, entry.score)
    end
  end
  return step(source) and source or nil
end

-- Lets the source at a place of the heap sink to where it belongs.
local function sink(order, heap, at)
  while 2 * at <= #heap do
    local below = 2 * at
    if below < #heap and order.before(heap[below + 1], heap[below]) then below = below + 1 end
    if not order.before(heap[below], heap[at]) then break end
    heap[at], heap[below] = heap[below], heap[at]
    at = below
  end
end

-- A heap of sources, the one whose entry comes first on top.
local function heap_of(order, sources)
  for at = math.floor(#sources / 2), 1, -1 do sink(order, sources, at) end
  return sources
end

-- Takes the first entry of all.
local function pop(order, heap)
  local entry = {score = heap[1].score, id = heap[1].id}
  if not advance(order, heap[1]) then
    heap[1] = heap[#heap]
    heap[#heap] = nil
  end
  sink(order, heap, 1)
  return entry
end
