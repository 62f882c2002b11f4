"""The store from both sides on one watched server: what a test of the scripts talks to."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, cast

import redis
import redis.asyncio

from jobworker.store.claims import Attempted, BeatAnswer, Claim, ExchangeAnswer, Settle, Wanted
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.report import AttemptReport, LogChunk, Progress
from jobworker.store.request import Request
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.schedules import Dial
from jobworker.store.states import Outcome
from jobworker.store.stats import Sums
from tests.support.redis_source import RedisSource
from tests.support.snapshot import changes, snapshot
from tests.support.watched_redis import FrozenClock, WatchedAsyncRedis, WatchedRedis

LEASE_MS = 15_000
BEAT_MS = 3000


class World:
    """A server, its clock, the clients' side of the store, and any number of supervisors."""

    def __init__(self, source: RedisSource, retention: Retention) -> None:
        self.keys = Keys()
        self.client = source.connect()
        self.clock = FrozenClock(self.client)
        self.terms = Terms(lease_ms=LEASE_MS, retention=retention)
        #: What runs scripts in threads.
        self.watched = cast("redis.Redis", WatchedRedis(self.client, self.client))
        self.store = JobStore(self.watched, self.keys, retention)
        self._registrations = itertools.count(1)
        self._runner = asyncio.Runner()
        self._async_client = source.connect_async()
        self._watched = cast("redis.asyncio.Redis", WatchedAsyncRedis(self._async_client, self.client))
        self.dial = Dial(self._watched, self.keys, retention)
        #: What runs scripts on data that contradict themselves.
        self.unaudited = cast("redis.asyncio.Redis", WatchedAsyncRedis(self._async_client, None))

    def close(self) -> None:
        self._runner.run(self._async_client.aclose())
        self._runner.close()
        self.client.close()

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def register(
        self,
        name: str = "alpha",
        *,
        lock_id: str = "lock",
        number: int | None = None,
        proofs: Sequence[str] = (),
        terms: Terms | None = None,
        **who: Any,
    ) -> "Supervisor":
        registration = Registration(**{"host": "host", "pid": 4711, "version": "1", "workers": 2, **who})
        terms = terms or self.terms
        number = next(self._registrations) if number is None else number
        registering = Incarnation.register(
            self._watched, self.keys, name, registration, terms, lock_id=lock_id, number=number, proofs=proofs
        )
        return Supervisor(self, self.run(registering))

    def enqueue(self, **options: Any) -> str:
        """Store one job; return its id."""
        job = NewJob(**{"id": new_job_id(), "type": "echo", **options})
        self.store.enqueue([job])
        return job.id

    def status(self, job_id: str) -> str:
        return self.store.get(job_id).status.value

    def advance(self, ms: int) -> None:
        self.clock.advance(ms)

    def live(self, ms: int, *supervisors: "Supervisor") -> None:
        """Let time pass while these beat, and nobody is reaped."""
        for _ in range(ms // BEAT_MS):
            self.advance(BEAT_MS)
            for supervisor in supervisors:
                assert supervisor.beat().reaped == 0
        self.advance(ms % BEAT_MS)

    def snapshot(self) -> dict[str, Any]:
        """Return all keys without their base."""
        return {key.removeprefix(self.keys.base): value for key, value in snapshot(self.client).items()}

    def changes_since(self, before: dict[str, Any]) -> dict[str, Any]:
        return changes(before, self.snapshot())

    def ttl_ms(self, key: str) -> int:
        return int(self.client.pttl(key))

    def order_of(self, queue: str = "default") -> list[str]:
        """Return the ids in a queue, the next first."""
        found: Any = self.client.zrange(self.keys.ready(queue), 0, -1)
        return [job_id.decode() for job_id in found]

    def tokens(self) -> dict[str, int]:
        """Return how many tokens each wake list has, by queue, and take them all."""
        found: Any = self.client.keys(self.keys.wake("*"))
        prefix = len(self.keys.wake(""))
        counts = {name.decode()[prefix:]: int(self.client.llen(name)) for name in found}
        if found:
            self.client.delete(*found)
        return counts


class Supervisor:
    """One incarnation as a test drives it: calls block, and number themselves."""

    def __init__(self, world: World, incarnation: Incarnation) -> None:
        self.incarnation = incarnation
        self.name = incarnation.name
        self.epoch = incarnation.epoch
        self.calls = 0
        self._world = world

    def exchange(
        self,
        *settles: Settle,
        want: int | Sequence[Wanted] = 0,
        queues: Sequence[str] = (),
        call: int | None = None,
    ) -> ExchangeAnswer:
        """Make the next call, or the one that is named."""
        wanted = [Wanted(100 + slot) for slot in range(want)] if isinstance(want, int) else want
        exchanging = self.incarnation.exchange(self._number(call), settles, wanted, queues)
        answer: ExchangeAnswer = self._world.run(exchanging)
        return answer

    def claim(self, count: int = 1, **options: Any) -> list[Claim]:
        return self.exchange(want=count, **options).claims

    def claim_one(self, **options: Any) -> Claim:
        (claim,) = self.claim(1, **options)
        return claim

    def settle(self, attempted: Claim | Attempted, outcome: Outcome, **options: Any) -> str:
        """Settle one attempt; return its word."""
        (word,) = self.exchange(settling(attempted, outcome, **options)).words
        return word

    def report(self, *reports: AttemptReport) -> list[str]:
        words: list[str] = self._world.run(self.incarnation.report(reports))
        return words

    def tell(self, attempted: Claim | Attempted, *chunks: LogChunk, progress: Progress | None = None) -> str:
        """Report on one attempt; return its word."""
        (word,) = self.report(AttemptReport(attempted.id, attempted.token, progress, chunks))
        return word

    def beat(self, roster: Roster = Roster(), *done: Request) -> BeatAnswer:  # noqa: B008 - it is frozen
        answer: BeatAnswer = self._world.run(self.incarnation.beat(roster, done))
        return answer

    def sweep(self) -> int:
        left: int = self._world.run(self.incarnation.sweep())
        return left

    def reconcile(self, *held: Claim | Attempted, call: int | None = None) -> list[Attempted]:
        listed = [Attempted(one.id, one.token) for one in held]
        foreign: list[Attempted] = self._world.run(self.incarnation.reconcile(self._number(call), listed))
        return foreign

    def tally(self, number: int, *sums: Sums) -> None:
        self._world.run(self.incarnation.tally(number, sums))

    def leave(self) -> int:
        count: int = self._world.run(self.incarnation.leave())
        return count

    @property
    def member(self) -> str:
        return f"{self.name}:{self.epoch}"

    def _number(self, call: int | None) -> int:
        if call is None:
            self.calls += 1
        return call or self.calls


def settling(attempted: Claim | Attempted, outcome: Outcome, **options: Any) -> Settle:
    """Return a settle with the default budgets."""
    return Settle(attempted.id, attempted.token, outcome, **{"max_attempts": 3, "max_crashes": 3, **options})
