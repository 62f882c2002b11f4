"""An exchange with everything around it played by the test."""

import asyncio
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.claims import Attempted, Claim, ExchangeAnswer, Settle, Wanted
from jobworker.store.states import Outcome
from jobworker.supervisor.exchange import Exchange
from jobworker.supervisor.turns import Turns
from tests.unit.supervisor.running import Running


class Redis:
    """What Redis is told and what it answers; `claimable` are the next claims."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.settled: list[Settle] = []
        self.wanted: list[int] = []
        self.batches: list[int] = []
        self.claimable: list[Claim] = []
        self.failures: list[Exception] = []
        self.foreign: list[Attempted] = []
        self.held: list[Attempted] = []
        self.next_due_ms: int | None = None
        self.word = "succeeded"
        #: Closed: calls wait for their answer.
        self.answering = asyncio.Event()
        self.answering.set()

    async def exchange(
        self, call: int, settles: Sequence[Settle], wanted: Sequence[Wanted], queues: Sequence[str]
    ) -> ExchangeAnswer:
        self.calls.append(("exchange", call))
        await self.answering.wait()
        self._fail()
        self.settled += settles
        self.batches.append(len(settles))
        self.wanted.append(len(wanted))
        claims, self.claimable = self.claimable[: len(wanted)], self.claimable[len(wanted) :]
        return ExchangeAnswer(self.next_due_ms, [self.word] * len(settles), claims)

    async def reconcile(self, call: int, held: Sequence[Attempted]) -> list[Attempted]:
        self.calls.append(("reconcile", call))
        self._fail()
        self.held = list(held)
        return self.foreign

    async def beat(self) -> None:
        self.calls.append(("beat", 0))
        self._fail()

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.calls]


class Desk:
    """Takes what is handed out."""

    def __init__(self) -> None:
        self.handed: list[Claim] = []
        self.holds_back = False
        self.running: list[Attempted] = []
        self.dropped: list[Attempted] = []

    @property
    def empty(self) -> bool:
        return not self.running

    def held(self) -> list[Attempted]:
        return self.running

    def hand_out(self, claim: Claim) -> bool:
        self.handed.append(claim)
        return not self.holds_back

    def drop(self, foreign: Sequence[Attempted]) -> None:
        self.dropped += foreign


class Scene:
    """An exchange with everything around it played by the test."""

    def __init__(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runner, self.loop = running
        self.until = running.until
        monkeypatch.setattr("jobworker.supervisor.exchange.RETRY", Backoff(0.001, 2.0, 1.0, jitter=False))
        self.redis, self.desk = Redis(), Desk()
        self.idle: list[int] = []
        self.lease = SimpleNamespace(fenced=False, beat=self.redis.beat)
        crew = SimpleNamespace(idle=lambda: (SimpleNamespace(pid=pid) for pid in self.idle))
        make: Any = Exchange
        self.exchange: Exchange = make(self.redis, SimpleNamespace(crew=crew), self.desk, self.lease, Turns([]), 60.0)
        self.stayed_idle = 0
        self.exchange.stayed_idle = self._stay_idle
        self.settled: list[Settle] = []
        self.exchange.settled = self.settled.append
        self.refused: list[tuple[Attempted, str]] = []
        self.exchange.complete = self._complete
        self.exchange.refused = lambda attempted, why: self.refused.append((attempted, why))
        self.running: asyncio.Task[None] | None = None

    def _stay_idle(self) -> None:
        self.stayed_idle += 1

    async def _complete(self, settles: list[Settle]) -> list[Settle]:
        if any(one.follow_ups for one in settles):
            self.redis._fail()
        return [msgspec.structs.replace(one, reason="completed") if one.follow_ups else one for one in settles]

    def start(self) -> None:
        self.running = self.loop.create_task(self.exchange.run())
        self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        self.do(self._turns(seconds))

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.runner.run(coroutine)

    async def _turns(self, seconds: float) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.sleep(seconds)

    def settle(self, *numbers: int, **fields: Any) -> None:
        for number in numbers:
            plain: dict[str, Any] = {"outcome": Outcome.SUCCEEDED, "max_attempts": 3, "max_crashes": 3}
            self.exchange.settle(Settle(f"job-{number}", number, **{**plain, **fields}))

    @property
    def stuck_seconds(self) -> float:
        async def look() -> float:
            return self.exchange.stuck_seconds

        return self.runner.run(look())

    @property
    def ended(self) -> bool:
        assert self.running is not None
        return self.running.done()
