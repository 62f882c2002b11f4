-- Which incarnation of a supervisor may still write.

-- First nil when `epoch` is the living one; else the word for its owner: `superseded` by a later one that lives, or
-- `reaped`. An earlier one comes back only with lost writes: it is our past, and no reason to end.
-- Second the record's epoch and lease end, then further fields of it.
local function refusal(record, epoch, ...)
  local found = redis.call('HMGET', record, 'epoch', 'lease_end', ...)
  local lease_end = tonumber(found[2] or 0)
  if lease_end == 0 then return 'reaped', found end
  if found[1] == epoch then return nil, found end
  return lease_end > now and tonumber(found[1]) > tonumber(epoch) and 'superseded' or 'reaped', found
end
