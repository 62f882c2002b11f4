-- Whose an attempt is.

local function read_fields(key, names, fields)
  local values = redis.call('HMGET', key, unpack(names))
  fields = fields or {}
  for i, name in ipairs(names) do fields[name] = values[i] or nil end
  return fields
end

-- Whether the attempt is still the own one of the incarnation `holder`, which has a name and an epoch.
local function is_held(fields, holder, token)
  return fields.status == 'running' and fields.owner == holder.name and fields.epoch == holder.epoch
    and fields.token == token
end
