"""What Redis says about itself, and who and what is in it; what an ACL denies is left out. Only `repair` writes."""

import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any, Final, Self

import redis
from msgspec import Struct

from jobworker.store.audit import Audit
from jobworker.store.connection import connect, translated
from jobworker.store.durability import NAMES, read_config, read_info
from jobworker.store.flaws import Flaw, Report
from jobworker.store.fleet import Fleet, Supervisor
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.pause import Pause
from jobworker.store.repair import Mended, Repair
from jobworker.store.retention import Retention
from jobworker.store.states import ENDED, JobState

#: How often the round trip is measured.
PINGS: Final = 9
_CONFIG: Final = (*NAMES, "hash-max-listpack-value", "hash-max-ziplist-value")


class ServerFacts(Struct, frozen=True):
    """The server, as it describes itself."""

    #: What INFO tells; empty: not readable.
    info: dict[str, Any]
    #: What CONFIG GET tells; empty: not readable.
    config: dict[str, str]
    #: Version of the data; None: there is none yet.
    schema: str | None
    round_trip_ms: float
    #: How far its clock is ahead of ours; known as exactly as half a round trip.
    clock_ahead_ms: float


class Population(Struct, frozen=True):
    """Jobs and supervisors."""

    jobs: dict[JobState, int]
    #: Queue -> jobs pending in it.
    pending: dict[str, int]
    pauses: list[Pause]
    #: Those that have not been reaped.
    members: list[Supervisor]


class Inspection:
    """Asks on behalf of `doctor`. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys, retention: Retention) -> None:
        # redis-py types its answers as awaitable, too.
        self._client: Any = client
        self._keys = keys
        self._retention = retention

    @classmethod
    def connect(cls, url: str, *, timeout_seconds: float, prefix: str, retention: Retention) -> Self:
        """Return an inspection that connects at its first question."""
        return cls(connect(url, timeout_seconds=timeout_seconds), Keys(prefix), retention)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def server(self) -> ServerFacts:
        """Return what the server says about itself."""
        with translated():
            round_trip_ms, clock_ahead_ms = self._measure()
            schema = self._client.hget(self._keys.meta, "schema")
            return ServerFacts(
                info=read_info(self._client),
                config=read_config(self._client, _CONFIG),
                schema=None if schema is None else schema.decode(),
                round_trip_ms=round_trip_ms,
                clock_ahead_ms=clock_ahead_ms,
            )

    def population(self) -> Population:
        """Return what is there."""
        keys, client = self._keys, self._client
        with translated():
            queues = sorted(name.decode() for name in client.smembers(keys.queues))
            pending = {queue: client.zcard(keys.ready(queue)) for queue in queues}
            members = Fleet(client, keys).members()
            jobs = {
                JobState.SCHEDULED: client.zcard(keys.scheduled),
                JobState.PENDING: sum(pending.values()),
                JobState.RUNNING: sum(member.running for member in members),
                **{status: client.zcard(keys.ended(status)) for status in JobState if status in ENDED},
            }
        return Population(jobs, pending, JobStore(client, keys, self._retention).pauses(), members)

    def audit(self, most: int | None) -> Report:
        """Return where jobs and indexes contradict each other."""
        return Audit(self._client, self._keys, self._retention, most=most).run()

    def repair(self, flaws: Iterable[Flaw]) -> Iterator[Mended]:
        """Mend what an audit has found, and yield what became of it."""
        return Repair(self._client, self._keys, self._retention).mend(flaws)

    def _measure(self) -> tuple[float, float]:
        """Return the usual round trip, and how far Redis's clock was ahead in the quickest one."""
        self._client.ping()
        samples = [self._compare_clocks() for _ in range(PINGS)]
        return median(trip_ms for trip_ms, _ in samples), min(samples)[1]

    def _compare_clocks(self) -> tuple[float, float]:
        before = time.time()
        seconds, microseconds = self._client.time()
        after = time.time()
        ahead = seconds + microseconds / 1e6 - (before + after) / 2
        return 1000 * (after - before), 1000 * ahead
