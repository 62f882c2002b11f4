-- What else happens when a job ends for good, for those that have something to be done then.

-- `at_end` of its record holds one letter for each; nearly all jobs have none, and cost nothing.
-- letter -> function(base, id, status)
local AT_END = {}

-- Somebody waits for it: tell every process of the API. What they miss they look up.
function AT_END.w(base, id)
  redis.call('XADD', base .. 'ends', 'MAXLEN', '~', 10000, '*', 'id', id)
  redis.call('PEXPIRE', base .. 'ends', 60000)
end

-- Lets go of its unique key, unless another job has taken it since this one expired.
function AT_END.u(base, id)
  local digest = redis.call('HGET', base .. 'job:' .. id, 'unique')
  local key = base .. 'unique:' .. (digest or '')
  if redis.call('GET', key) == id then redis.call('DEL', key) end
end

-- Has something done when the job ends; a letter that is there already stays.
local function at_end(job, letter)
  local letters = redis.call('HGET', job, 'at_end') or ''
  if not string.find(letters, letter, 1, true) then redis.call('HSET', job, 'at_end', letters .. letter) end
end

-- Does it, and tells of the end; the record says already how the job ended.
local function close_job(base, id, status, letters)
  tell(base, 'ended', id)
  for letter in string.gmatch(letters or '', '.') do
    if AT_END[letter] then AT_END[letter](base, id, status) end
  end
end
