-- Telling a supervisor that there is something to hear: only a hint, for each beat answers what is wanted.

local function hint(base, name, word)
  local inbox = base .. 'inbox:' .. name
  redis.call('LPUSH', inbox, word)
  redis.call('LTRIM', inbox, 0, 9)
  redis.call('PEXPIRE', inbox, 60000)
end
