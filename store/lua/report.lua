-- report: write down what running attempts tell of themselves, their progress and their output.
-- Promise: whoever lost the claim writes nothing. Each byte is written once, however often and in whatever order it comes.
-- KEYS  1 record of the name (hash)
-- ARGV  1 base  2 name  3 epoch  4 number of reports, each: id, token, progress (opaque; '': none),
--       number of chunks, each: at, read ms, bytes
-- Returns {'ok', word…}, each `ok`, `stale` or `missing` | {'reaped'} | {'superseded'}
-- include: clock
-- include: arguments
-- include: holding
-- include: appending
-- include: incarnation
local record = KEYS[1]
local base, holder, count = ARGV[1], {name = ARGV[2], epoch = ARGV[3]}, tonumber(ARGV[4])

-- No relief here: a server that is full is not to be filled with output.
local refused = refusal(record, holder.epoch)
if refused then return {refused} end

local take = arguments_after(4)

local function report(id, token, progress, chunks)
  local job = base .. 'job:' .. id
  local fields = read_fields(job, {'status', 'owner', 'epoch', 'token', 'attempt'})
  if not fields.status then return 'missing' end
  if not is_held(fields, holder, token) then return 'stale' end
  if progress ~= '' then redis.call('HSET', job, 'progress', progress, 'progress_ms', integer(now)) end
  if chunks then append_log(job, token, fields.attempt, chunks) end
  return 'ok'
end

local answer = {'ok'}
for i = 1, count do answer[i + 1] = report(take(), take(), take(), take_chunks(take)) end
return answer
