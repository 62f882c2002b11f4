"""The supervisor's lease in Redis: renewed by beats, on a connection of its own, never behind an exchange."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from jobworker.store.claims import BeatAnswer, Cancel
from jobworker.store.errors import EpochLost, StoreError
from jobworker.store.incarnation import Incarnation
from jobworker.store.roster import Roster
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.requests import Requests
from jobworker.supervisor.ticks import TICK_SECONDS, until_tick
from jobworker.supervisor.trouble import Trouble

log = structlog.get_logger("jobworker.lease")

#: The part of a lease after which nothing new is begun, counted from before a beat was sent: the rest is for clock
#: rates, stalls of the loop, the time to kill, and a step of Redis's clock (docs/protocol.md).
FENCE_PART: Final = 11 / 15
RETRY_SECONDS: Final = 0.5


class Lease:
    """Owns the beats.

    Told:   beat now (by the exchange, after a new connection); somebody hinted (by the hints).
    Tells:  the desk, what to cancel, and when to fence; the requests, what else is asked; the pool, until when attempts
            may begin; the exchange, how many jobs Redis counts as ours, and what its last call was before; the
            clockwork, when a schedule is due.
    Ends:   when cancelled; with Reaped or Superseded when the epoch is no longer ours.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        beat_seconds: float,
        fence: Callable[[int], None],
        roster: Callable[[], Roster],
    ) -> None:
        self.cancel: Callable[[Iterable[Cancel]], None]
        #: Kills what must not overlap with an attempt elsewhere; returns how many that were.
        self.fence_attempts: Callable[[], int]
        self.requests: Requests
        #: Told in how many ms a schedule is due.
        self.expect: Callable[[int | None], None]
        self.last_call: Callable[[], int | None]
        self.compare: Callable[[int, int | None], None]
        self._incarnation = incarnation
        self._beat_seconds = beat_seconds
        self._set_fence = fence
        self._roster = roster
        self._trouble = Trouble("jobworker.lease")
        self._fence_ns = 0
        #: Whether nobody else held a lease, who could reap us, when the last beat was answered.
        self._alone = True
        self._hinted = asyncio.Event()
        self._beating = asyncio.Lock()

    @property
    def trouble(self) -> str:
        """Why the last beat failed; empty if it did not."""
        return self._trouble.reason

    @property
    def fenced(self) -> bool:
        """Whether our lease may be over, as far as this host can know."""
        return self._fence_ns <= boottime_ns()

    def hint(self) -> None:
        """Beat soon: there is a cancel or a request to hear."""
        self._hinted.set()

    async def beat(self) -> BeatAnswer:
        """Renew the lease and act on the answer."""
        async with self._beating:
            roster = self._roster()
            sent_ns = boottime_ns()
            try:
                answer = await self._incarnation.beat(roster, self.requests.done())
            except EpochLost:
                raise
            except StoreError as error:
                self._trouble.met("the lease cannot be renewed", error, fenced=self.fenced)
                raise
            self._trouble.over("the lease is renewed again")
            self._fence_ns = sent_ns + round(answer.lease_ms * 1e6 * FENCE_PART)
            self._set_fence(self._fence_ns)
            self._alone = not answer.others
        if answer.reaped:
            log.warning("jobs of a dead supervisor are back in the queue", jobs=answer.reaped)
        self.cancel(answer.cancels)
        self.requests.take(answer.requests)
        self.expect(answer.fire_in_ms)
        return answer

    async def run(self) -> None:
        """Beat in time, and whenever there may be something to reap."""
        while True:
            self._hinted.clear()
            last_call = self.last_call()
            try:
                answer = await self.beat()
            except EpochLost:
                raise
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.compare(answer.running, last_call)
            await self._until_next(answer)

    async def guard(self) -> None:
        """Have attempts fenced when the time that the last beat has given is over, once a beat."""
        done_ns = 0
        while True:
            left_ns = self._fence_ns - boottime_ns()
            if left_ns <= 0 and self._fence_ns > done_ns and not self._alone:
                done_ns = self._fence_ns
                if fenced := self.fence_attempts():
                    log.warning("redis does not answer; attempts that must not overlap are killed", attempts=fenced)
            # A machine that slept goes on in the middle of a wait: its clock is looked at once a tick.
            tick_seconds = until_tick(TICK_SECONDS)
            await asyncio.sleep(min(left_ns / 1e9, tick_seconds) if left_ns > 0 else tick_seconds)

    async def _until_next(self, answer: BeatAnswer) -> None:
        seconds = until_tick(self._beat_seconds)
        if answer.reap_in_ms is not None:
            seconds = min(seconds, answer.reap_in_ms / 1000)
        timer = asyncio.get_running_loop().call_later(seconds, self._hinted.set)
        await self._hinted.wait()
        timer.cancel()
