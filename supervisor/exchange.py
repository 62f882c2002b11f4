"""The exchange: one script call at a time settles all that ended and claims for all that are idle (group commit)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle, islice
from typing import Final

import msgspec
import structlog

from jobworker.store.backoff import Backoff
from jobworker.store.claims import Attempted, Claim, ExchangeAnswer, Settle, Wanted
from jobworker.store.errors import EpochLost, StoreError, StoreMisconfigured, WritesRefused
from jobworker.store.incarnation import Incarnation
from jobworker.store.limits import MAX_BATCH_BYTES, MAX_BATCH_JOBS
from jobworker.store.states import Outcome
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.lease import Lease
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.settlement import put_back, set_aside
from jobworker.supervisor.ticks import until_tick
from jobworker.supervisor.trouble import Trouble
from jobworker.supervisor.turns import Turns

log = structlog.get_logger("jobworker.exchange")

RETRY: Final = Backoff(base=0.05, factor=2.0, max=1.0, jitter=False)
#: What a new start would meet too: it would cure nothing, and take the jobs that run along.
INCURABLE: Final = (WritesRefused, StoreMisconfigured)


class Exchange:
    """Owns the calls to Redis and the settles that wait for one.

    Told:   settle this, a worker is idle (by the desk); something may be claimable (by the hints); Redis counts
            otherwise (by the lease); drain (by the supervisor).
    Tells:  the desk, what was claimed and what is no longer ours; the hints, that workers stay idle; the tally, what
            Redis has taken; the stale writes, what it has not.
    Ends:   when it drains, nothing is in hand and everything is settled.
    """

    def __init__(
        self, incarnation: Incarnation, pool: Pool, desk: Desk, lease: Lease, turns: Turns, poll_seconds: float
    ) -> None:
        self.stayed_idle: Callable[[], None]
        self.settled: Callable[[Settle], None]
        self.refused: Callable[[Attempted, str], None]
        self.complete: Callable[[list[Settle]], Awaitable[list[Settle]]]
        self._incarnation = incarnation
        self._pool = pool
        self._desk = desk
        self._lease = lease
        self._turns = turns
        self._poll_seconds = poll_seconds
        self._settles: deque[Settle] = deque()
        self._poked = asyncio.Event()
        self._poked.set()
        self._call = 0
        self._open = False
        # The first connection is a new one too: agree before anything is claimed.
        self._must_reconcile = True
        self._draining = False
        self._given_up = False
        self._starving = False
        #: How many jobs to claim beyond the idle workers.
        self._ahead = 0
        self._next_due_ms: int | None = None
        self._failures = 0
        self._failing_since: float | None = None
        self._trouble = Trouble("jobworker.exchange")

    @property
    def stuck_seconds(self) -> float:
        """For how long nothing could be exchanged although there was something, and a new start may help."""
        since = self._failing_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    @property
    def trouble(self) -> str:
        """What Redis answered when a call failed last; empty since one succeeded."""
        return self._trouble.reason

    @property
    def unsettled(self) -> int:
        """How many ended attempts Redis does not know of yet."""
        return len(self._settles)

    def settle(self, settle: Settle) -> None:
        """Tell Redis with the next call."""
        self._settles.append(settle)
        self._poked.set()

    def wants_more(self) -> bool:
        """Whether a hint is of use: the last claim left workers idle, and we may claim for them.

        Workers are idle for a moment after each job too; but then a call is due anyway, and a hint would double it.
        """
        return self._starving and self._may_claim()

    def poke(self) -> None:
        """Make a call soon: there may be something to claim."""
        self._poked.set()

    def last_call(self) -> int | None:
        """The number of the last call; None while one is open."""
        return None if self._open else self._call

    def compare(self, running: int, last_call: int | None) -> None:
        """Reconcile if Redis counts other attempts as ours than we do, and no call explains it.

        `last_call` is that of before Redis was asked: what was called since may have come before the count or after it.
        """
        if last_call is not None and last_call == self.last_call() and running != len(self.held()):
            log.warning("redis counts other jobs as ours", redis=running, ours=len(self.held()))
            self._must_reconcile = True
            self._poked.set()

    def drain(self) -> None:
        """Claim nothing more; end when everything is settled."""
        self._draining = True
        self._poked.set()

    def give_up(self) -> None:
        """End although something is not settled: whoever reaps us puts it back."""
        self._given_up = True
        self._poked.set()

    async def run(self) -> None:
        """Call whenever there is something to settle or to claim."""
        while not self._done():
            await self._until_due()
            if self._must_reconcile:
                await self._reconnect()
            wanted = self._wanted()
            if not self._must_reconcile:
                await self._turn_if_needed(wanted)

    def _done(self) -> bool:
        return self._given_up or (self._draining and self._desk.empty and not self._settles)

    def _may_claim(self) -> bool:
        return not (self._draining or self._lease.fenced)

    def _wanted(self) -> list[Wanted]:
        if not self._may_claim():
            return []
        workers = [worker.pid for worker in self._pool.crew.idle()][:MAX_BATCH_JOBS]
        return self._turns.assign([*workers, *islice(cycle(workers), min(self._ahead, MAX_BATCH_JOBS - len(workers)))])

    async def _until_due(self) -> None:
        if not self._settles:
            seconds = until_tick(self._poll_seconds)
            if self._next_due_ms is not None:
                seconds = min(seconds, self._next_due_ms / 1000)
                # It counts from the last answer, and matters only if the next call claims, which answers it anew.
                self._next_due_ms = None
            timer = asyncio.get_running_loop().call_later(seconds, self._poked.set)
            await self._poked.wait()
            timer.cancel()
        self._poked.clear()

    async def _turn_if_needed(self, wanted: Sequence[Wanted]) -> None:
        if (not self._settles and not wanted) or await self._turn(wanted):
            self._succeeded()
        elif self._failures > 1:
            # We agree with Redis and yet the call fails: not an outage that has passed, so not at once again.
            await asyncio.sleep(RETRY.delay_ms(self._failures + 1) / 1000)

    def _succeeded(self) -> None:
        self._failures = 0
        self._failing_since = None
        self._trouble.over()

    def _failed(self, error: StoreError, event: str) -> None:
        self._failures += 1
        if isinstance(error, INCURABLE):
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = asyncio.get_running_loop().time()
        self._trouble.met(event, error)

    async def _turn(self, wanted: Sequence[Wanted]) -> bool:
        self._call += 1
        batch = self._next_batch()
        self._open = True
        try:
            batch = await self.complete(batch)
            answer = await self._incarnation.exchange(self._call, batch, wanted, self._turns.queues)
        except EpochLost:
            raise
        except StoreError as error:
            # The call may have been applied: `reconcile` will take its place.
            self._failed(error, "redis is away or refuses us; workers go on, results wait")
            self._must_reconcile = True
            self._poked.set()
            return False
        finally:
            self._open = False
        self._accept(batch, wanted, answer)
        return True

    def _next_batch(self) -> list[Settle]:
        batch: list[Settle] = []
        size_bytes = jobs = 0
        for settle in self._settles:
            size_bytes += settle.size_bytes
            jobs += 1 + len(settle.follow_ups)
            # One alone may be above: 200 follow-ups and itself.
            if batch and (jobs > MAX_BATCH_JOBS or size_bytes > MAX_BATCH_BYTES):
                break
            batch.append(settle)
        return batch

    def _accept(self, batch: Sequence[Settle], wanted: Sequence[Wanted], answer: ExchangeAnswer) -> None:
        for settle, word in zip(batch, answer.words, strict=True):
            self._settles.popleft()
            if word in ("stale", "missing"):
                self.refused(settle.attempted, word)
            else:
                self.settled(_as_taken(settle, word))
        self._next_due_ms = answer.next_due_ms
        begun = [self._hand_out(claim) for claim in answer.claims]
        # Nothing but jobs that are held back: thousands may stand before those that can run. What is claimed too much
        # is recalled.
        self._ahead = 0 if any(begun) else 2 * len(begun)
        for unreadable in answer.unreadable:
            log.error(
                "a job's record in redis is damaged; it has failed", job=unreadable.attempted.id, why=unreadable.why
            )
            self.settle(set_aside(unreadable))
        self._starving = len(answer.claims) + len(answer.unreadable) < len(wanted)
        if self._starving:
            self.stayed_idle()

    def _hand_out(self, claim: Claim) -> bool:
        """Return False if the job was held back."""
        if self._may_claim():
            return self._desk.hand_out(claim)
        self.settle(put_back(claim, Outcome.SHUTDOWN))
        return True

    async def _reconnect(self) -> None:
        """Beat, agree with Redis on what we hold, and only then go on."""
        failures = 0
        while not self._done():
            try:
                foreign = await self._agree()
            except EpochLost:
                raise
            except StoreError as error:
                self._failed(error, "redis cannot be agreed with; workers go on, results wait")
                failures += 1
                await asyncio.sleep(RETRY.delay_ms(failures) / 1000)
                continue
            self._must_reconcile = False
            self._forget(foreign)
            log.info("redis and we agree on what runs here", running=len(self.held()), no_longer_ours=len(foreign))
            return

    async def _agree(self) -> list[Attempted]:
        self._open = True
        try:
            await self._lease.beat()
            self._call += 1
            return await self._incarnation.reconcile(self._call, self.held())
        finally:
            self._open = False

    def _forget(self, foreign: Sequence[Attempted]) -> None:
        lost = set(foreign)
        for attempted in foreign:
            self.refused(attempted, "foreign")
        self._settles = deque(settle for settle in self._settles if settle.attempted not in lost)
        self._desk.drop(foreign)

    def held(self) -> list[Attempted]:
        """Return everything that our running index must hold: what runs, and what ended and is not settled yet."""
        return [*self._desk.held(), *(settle.attempted for settle in self._settles)]


def _as_taken(settle: Settle, word: str) -> Settle:
    """Return what was settled: a success whose follow-up jobs Redis had no room for is none."""
    if settle.outcome is not Outcome.SUCCEEDED or word == "succeeded":
        return settle
    log.warning("the follow-up jobs of a job cannot be stored; it has failed", job=settle.id, type=settle.type)
    return msgspec.structs.replace(settle, outcome=Outcome.BAD_RESULT)
