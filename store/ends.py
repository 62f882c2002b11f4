"""The ends of jobs that somebody waits for: Redis tells of them, and of those alone."""

from collections.abc import Sequence
from typing import Any, Final

import redis

from jobworker.store.connection import translated
from jobworker.store.errors import JobNotFound
from jobworker.store.keys import Keys
from jobworker.store.scripts import script
from jobworker.store.states import ENDED

#: Looked at by one call.
MOST_IDS: Final = 200
#: Read by one call.
MOST_ENDS: Final = 1000
#: What stands before everything that a stream holds.
BEGINNING: Final = "0-0"


class Ends:
    """Hears when jobs end. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def announce(self, job_id: str) -> bool:
        """Have the job's end told; return whether it has ended already. Raises JobNotFound."""
        [status] = self._wait([job_id])
        if status == "missing":
            raise JobNotFound(job_id)
        return status in ENDED

    def settled_among(self, job_ids: Sequence[str]) -> list[str]:
        """Return which of the jobs have ended or are gone, and have the ends of the others told."""
        settled: list[str] = []
        for first in range(0, len(job_ids), MOST_IDS):
            some = job_ids[first : first + MOST_IDS]
            statuses = self._wait(some)
            settled += [one for one, status in zip(some, statuses, strict=True) if status in {*ENDED, "missing"}]
        return settled

    def position(self) -> str:
        """Return where `after` goes on: behind all that has been told."""
        with translated():
            last: Any = self._client.xrevrange(self._keys.ends, count=1)
        return last[0][0].decode() if last else BEGINNING

    def after(self, position: str, *, block_ms: int) -> tuple[str, list[str]]:
        """Return the position behind what was told after `position`, and the ids; waits until there is something."""
        with translated():
            read: Any = self._client.xread({self._keys.ends: position}, count=MOST_ENDS, block=block_ms)
        if not read:
            return position, []
        [(_, entries)] = read
        return entries[-1][0].decode(), [fields[b"id"].decode() for _, fields in entries]

    def _wait(self, job_ids: Sequence[str]) -> list[str]:
        with translated():
            reply = script("wait").run(self._client, [self._keys.job(job_ids[0])], [self._keys.base, *job_ids])
        return [status.decode(errors="replace") for status in reply]
