-- Follow-up jobs: stored with the success of the job whose handler has submitted them, or not at all.

-- Which of the new jobs' names would be too many: the word for it and the name; nil when all may come.
local function refused_among(base, names, follow_ups)
  for _, job in ipairs(follow_ups) do
    local word, name
    if not first_status_of(base, job) then word, name = refused_name(names, job) end
    if word then return word, name end
  end
end

-- The effect of such an attempt has happened, so it is not repeated; but it is no success either.
local function refuse_follow_ups(attempt, word, name)
  local error = '{"type":"' .. word .. '","message":"its follow-up jobs cannot be stored: ' .. name .. ' is one too many"}'
  attempt.outcome, attempt.reason, attempt.error, attempt.result = 'bad_result', 'follow_up_refused', error, ''
  attempt.detail = '{"error":' .. error .. ',"reason":"follow_up_refused"}'
end

-- Settles an attempt, and stores its follow-up jobs if it succeeds; a known one stays as it is. `names` holds the
-- registers of queues, types and tags. Returns the word of `settle`; adds to `woken` the queues that must be.
local function settle_with(holder, meta, names, follow_ups, id, token, attempt, woken)
  local word, name
  if #follow_ups > 0 and attempt.outcome == 'succeeded' then word, name = refused_among(holder.base, names, follow_ups) end
  if word then refuse_follow_ups(attempt, word, name) end
  local status = settle(holder, id, token, attempt)
  if status ~= 'succeeded' then return status end
  for _, job in ipairs(follow_ups) do
    if not first_status_of(holder.base, job) then
      redis.call('SADD', names.queues.key, job.queue)
      redis.call('SADD', names.types.key, job.type)
      for tag in each_tag(job.tags) do redis.call('SADD', names.tags.key, tag) end
      if store_job(holder.base, meta, job) == 'pending' then woken[job.queue] = true end
    end
  end
  return status
end
