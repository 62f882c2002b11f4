"""Redis clients for tests of the scripts: the clock stands still until it is moved, every script is audited.

They stand in for a client wherever only scripts are run. The source of each script is the real one, behind a prelude
that answers TIME from a key and notes each change of a job's status, also those in the middle of a script.
"""

from typing import Any

import redis
import redis.asyncio

from tests.support.audit import audit
from tests.support.scripts import CLOCK, PRELUDE, SCRIPTS

#: Where the clock starts, in ms: a round number that is easy to see in a failure.
START_MS = 1_800_000_000_000

_NOTES = """
local function note_status(key, ...)
  local id, fields = string.match(key, ':job:([^:]+)$'), {...}
  for i = 1, id and #fields or 0, 2 do
    if fields[i] == 'status' then
      local old = server.call('HGET', key, 'status') or 'none'
      server.call('RPUSH', 'test:transitions', id .. ' ' .. old .. ' ' .. fields[i + 1])
    end
  end
end
local redis = {call = function(command, ...)
  if command == 'TIME' then return time() end
  if command == 'HSET' then note_status(...) end
  return server.call(command, ...)
end}
"""


class FrozenClock:
    """Redis's TIME as the scripts see it."""

    def __init__(self, client: redis.Redis) -> None:
        self.now_ms = START_MS
        self._client = client
        self.advance(0)

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        self._client.set(CLOCK, self.now_ms * 1000)


class WatchedRedis:
    """A client for threads."""

    def __init__(self, client: redis.Redis, auditor: redis.Redis) -> None:
        self._client = client
        self._auditor = auditor

    def evalsha(self, digest: str, key_count: int, *arguments: Any) -> Any:
        reply: Any = self._client.eval(_watched_source(digest), key_count, *arguments)
        audit(self._auditor)
        return reply

    def time(self) -> tuple[int, int]:
        """Return what the scripts see."""
        clock_us: Any = self._client.get(CLOCK)
        return divmod(int(clock_us), 1_000_000)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class WatchedAsyncRedis:
    """A client for asyncio."""

    def __init__(self, client: redis.asyncio.Redis, auditor: redis.Redis | None) -> None:
        self._client = client
        self._auditor = auditor

    async def evalsha(self, digest: str, key_count: int, *arguments: Any) -> Any:
        reply: Any = await self._client.eval(_watched_source(digest), key_count, *arguments)
        if self._auditor is not None:
            audit(self._auditor)
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _watched_source(digest: str) -> str:
    return PRELUDE + _NOTES + SCRIPTS[digest].source
