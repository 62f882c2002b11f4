-- Webhooks: who wants to be told of a job's end gets a delivery. It is a job too, and stored by the script that ends the
-- job: so none is lost, and none is there twice.

local DELIVERY_TYPE, DELIVERY_QUEUE = 'jobworker.webhook', 'jobworker.webhooks'
-- The lowest: receivers that do not answer must not hold up anybody's jobs.
local DELIVERY_PRIORITY = 1
-- A longer result is left out.
local TOLD_RESULT_BYTES = 65536
local TOLD = {'type', 'queue', 'attempt', 'created_ms', 'started_ms', 'ended_ms', 'expires_ms', 'error', 'result',
  'trace', 'callback', 'tags'}

-- The same for the same end of the same job, and nobody else's: that job's id, as a UUID of version 8, with the number of
-- the delivery where chance has 12 of its bits.
local function delivery_id_of(id, ordinal)
  return string.sub(id, 1, 14) .. '8' .. string.format('%03x', ordinal % 4096) .. string.sub(id, 19)
end

local function told_number(text)
  local found = number(text)
  return found and integer(found) or 'null'
end

-- Names, tags and URLs have nothing that must be escaped, and what is opaque is JSON. Of a damaged record this is none, and then
-- its delivery fails as any job whose payload is none.
local function told_of(id, status, url, told)
  local left_out = told.result and #told.result > TOLD_RESULT_BYTES
  local ended_ms = told.ended_ms or status == 'expired' and told.expires_ms
  return table.concat({'{"url":"', url, '","job":{"id":"', id, '","type":"', told.type or '', '","queue":"',
    told.queue or '', '","status":"', status, '","attempt":', told_number(told.attempt), ',"created_ms":',
    told_number(told.created_ms), ',"started_ms":', told_number(told.started_ms), ',"ended_ms":', told_number(ended_ms),
    ',"tags":"', told.tags or '', '","error":', told.error or 'null', ',"result":', not left_out and told.result or 'null', ',"result_left_out":',
    tostring(left_out or false), '}}'})
end

AT_END.c = function(base, id, status)
  local job = base .. 'job:' .. id
  local values, told = redis.call('HMGET', job, unpack(TOLD)), {}
  for i, name in ipairs(TOLD) do told[name] = values[i] or nil end
  local events, url = string.match(told.callback or '', '^(%S+) (%S+)$')
  if not events or not string.find(',' .. events .. ',', ',' .. status .. ',', 1, true) then return end
  local delivery = {id = delivery_id_of(id, redis.call('HINCRBY', job, 'deliveries', 1)), type = DELIVERY_TYPE,
    queue = DELIVERY_QUEUE, priority = DELIVERY_PRIORITY, payload = told_of(id, status, url, told), due = now, tags = '',
    extra = told.trace and {'trace', told.trace} or {}}
  redis.call('HSET', job, 'delivery_id', delivery.id)
  redis.call('SADD', base .. 'queues', delivery.queue)
  redis.call('SADD', base .. 'types', delivery.type)
  store_job(base, base .. 'meta', delivery)
  wake(base, delivery.queue)
end
