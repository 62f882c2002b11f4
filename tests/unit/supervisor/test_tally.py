"""The tally: what is added up, and that it is handed over once, however often Redis does not answer."""

import asyncio
from collections.abc import Sequence

import pytest

from jobworker.store.claims import Settle
from jobworker.store.errors import StoreUnavailable
from jobworker.store.job import Receipt
from jobworker.store.states import Outcome
from jobworker.store.stats import Sums
from jobworker.supervisor import tally as tally_module
from jobworker.supervisor.tally import Tally


class Redis:
    """Takes sums, or does not answer."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, dict[str, int]]] = []
        self.is_away = False
        self.has_heard = asyncio.Event()

    async def write(self, number: int, sums: Sequence[Sums]) -> None:
        self.heard.append((number, {one.type: one.runs for one in sums}))
        self.has_heard.set()
        if self.is_away:
            raise StoreUnavailable


def settle(type_name: str = "echo", outcome: Outcome = Outcome.SUCCEEDED) -> Settle:
    receipt = Receipt(1.0, 0.5, 0.25)
    return Settle("job", 1, outcome, max_attempts=3, max_crashes=3, receipt=receipt, type=type_name)


def test_attempts_are_handed_over_by_type() -> None:
    redis = Redis()
    tally = Tally(redis.write)
    for one in (settle(), settle("mail"), settle()):
        tally.settled(one)
    asyncio.run(tally.hand_over())
    assert redis.heard == [(1, {"echo": 2, "mail": 1})]


def test_what_was_not_started_or_has_no_type_is_no_attempt() -> None:
    redis = Redis()
    tally = Tally(redis.write)
    tally.settled(settle(outcome=Outcome.RECALLED))
    tally.settled(settle(""))
    asyncio.run(tally.hand_over())
    assert redis.heard == []


def test_what_was_not_answered_is_repeated_as_it_was_and_what_came_since_goes_after_it() -> None:
    redis = Redis()
    tally = Tally(redis.write)
    redis.is_away = True
    tally.settled(settle())
    asyncio.run(tally.hand_over())
    tally.settled(settle())
    asyncio.run(tally.hand_over())
    redis.is_away = False
    asyncio.run(tally.hand_over())
    assert redis.heard == [(1, {"echo": 1})] * 3 + [(2, {"echo": 1})]
    asyncio.run(tally.hand_over())
    assert len(redis.heard) == 4


def test_it_hands_over_by_itself_and_again_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "GATHER_SECONDS", 0.01)

    async def live() -> list[tuple[int, dict[str, int]]]:
        redis = Redis()
        redis.is_away = True
        tally = Tally(redis.write)
        running = asyncio.create_task(tally.run())
        tally.settled(settle())
        await redis.has_heard.wait()
        redis.is_away = False
        redis.has_heard.clear()
        await redis.has_heard.wait()
        running.cancel()
        return redis.heard

    assert asyncio.run(live()) == [(1, {"echo": 1}), (1, {"echo": 1})]
