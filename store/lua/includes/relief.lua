-- Out of memory, Redis refuses a script at its first write unless that write frees, and never stops one halfway. What a
-- supervisor writes empties the queue in the end: so its scripts begin with a write that would free, and does nothing.
redis.call('HDEL', KEYS[1], '')
