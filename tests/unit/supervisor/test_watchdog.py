"""The watchdog: it ends a supervisor only when Redis answers and nothing can be exchanged all the same."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from jobworker.supervisor.errors import SupervisorError
from jobworker.supervisor.watchdog import Watchdog

LEASE_SECONDS = 0.01


def watch(*, stuck_seconds: float, answers: bool) -> int:
    """Let it look a few times; return how often it asked Redis."""
    asked = 0
    exchange: Any = SimpleNamespace(stuck_seconds=stuck_seconds, trouble="WRONGTYPE")

    async def ask() -> bool:
        nonlocal asked
        asked += 1
        return answers

    async def look() -> None:
        looking = asyncio.ensure_future(Watchdog(exchange, ask, LEASE_SECONDS).run())
        done, _ = await asyncio.wait({looking}, timeout=10 * LEASE_SECONDS)
        looking.cancel()
        for task in done:
            task.result()

    asyncio.run(look())
    return asked


def test_an_exchange_that_fails_for_three_terms_while_redis_answers_ends_the_supervisor_with_the_reason() -> None:
    with pytest.raises(
        SupervisorError, match=r"Redis answers, but for .* s no job could be exchanged with it: WRONGTYPE"
    ):
        watch(stuck_seconds=3.1 * LEASE_SECONDS, answers=True)


def test_a_redis_that_has_just_come_back_ends_nothing() -> None:
    exchange: Any = SimpleNamespace(stuck_seconds=1000.0, trouble="away")

    async def come_back() -> bool:
        exchange.stuck_seconds = 0.0
        return True

    async def look() -> None:
        looking = asyncio.ensure_future(Watchdog(exchange, come_back, LEASE_SECONDS).run())
        done, _ = await asyncio.wait({looking}, timeout=10 * LEASE_SECONDS)
        looking.cancel()
        assert not done

    asyncio.run(look())


def test_a_redis_that_is_away_ends_nothing() -> None:
    assert watch(stuck_seconds=1000.0, answers=False) > 1


def test_redis_is_not_asked_while_the_exchange_works() -> None:
    assert watch(stuck_seconds=2.9 * LEASE_SECONDS, answers=True) == 0
