"""How many there are of everything, for who watches from outside: a few reads, whatever there is. Only reads."""

from collections.abc import Mapping
from typing import Any, Final

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.durability import read_info
from jobworker.store.fleet import Fleet, Queue, Supervisor
from jobworker.store.keys import ALL_QUEUES, Keys
from jobworker.store.states import ENDED
from jobworker.store.stats import Sums, merge_fields

_ENDED: Final = sorted(ENDED)


class Census(Struct, frozen=True):
    """What was found at one time."""

    scheduled: int
    #: Status -> jobs that ended so and are kept.
    ended: Mapping[str, int]
    #: What attempts came to and cost since there is this data, by type.
    totals: list[Sums]
    #: Names of what is paused, `*`: everything.
    paused: frozenset[str]
    queues: list[Queue]
    #: Those whose lease has not ended.
    supervisors: list[Supervisor]
    #: None: Redis does not say, or has no limit.
    used_memory_bytes: int | None = None
    maxmemory_bytes: int | None = None

    @property
    def all_paused(self) -> bool:
        """Whether nothing is claimed from any queue."""
        return ALL_QUEUES in self.paused


class Censuses:
    """Takes them."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._fleet = Fleet(client, keys)

    def take(self) -> Census:
        """Count. Raises StoreUnavailable when Redis is away."""
        scheduled, *ended, totals, paused = self._read()
        with translated():
            memory = read_info(self._client, "memory")
        return Census(
            scheduled=scheduled,
            ended=dict(zip(_ENDED, ended, strict=True)),
            totals=merge_fields(totals),
            paused=frozenset(name.decode() for name in paused),
            queues=self._fleet.queues(),
            supervisors=self._fleet.supervisors(),
            used_memory_bytes=memory.get("used_memory"),
            maxmemory_bytes=memory.get("maxmemory") or None,
        )

    def _read(self) -> list[Any]:
        # redis-py's pipelines are not typed.
        client: Any = self._client
        with translated(), client.pipeline(transaction=False) as pipeline:
            pipeline.zcard(self._keys.scheduled)
            for status in _ENDED:
                pipeline.zcard(self._keys.ended(status))
            pipeline.hgetall(self._keys.stats_total)
            pipeline.hkeys(self._keys.paused)
            found: list[Any] = pipeline.execute()
        return found
