"""Notices that Redis answers and nothing can be exchanged with it all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jobworker.supervisor.errors import SupervisorError
from jobworker.supervisor.exchange import Exchange
from jobworker.supervisor.ticks import until_tick

#: How many lease terms the exchange may fail before Redis is asked whether it lives.
PATIENCE_TERMS: Final = 3
#: How many times in a row, a term apart, it must answer: one that has just come back is not agreed with yet.
ANSWERS: Final = 2


class Watchdog:
    """Ends a supervisor that cannot work although Redis is there; never one whose Redis is away.

    Told:   nothing.
    Tells:  nobody.
    Ends:   when cancelled; with SupervisorError when only a new start can help.
    """

    def __init__(self, exchange: Exchange, answers: Callable[[], Awaitable[bool]], lease_seconds: float) -> None:
        self._exchange = exchange
        self._answers = answers
        self._lease_seconds = lease_seconds

    async def run(self) -> None:
        """Look once a lease term."""
        answers = 0
        while answers < ANSWERS:
            await asyncio.sleep(until_tick(self._lease_seconds))
            is_stuck = self._exchange.stuck_seconds > PATIENCE_TERMS * self._lease_seconds
            answers = answers + 1 if is_stuck and await self._answers() else 0
        raise SupervisorError(
            f"Redis answers, but for {self._exchange.stuck_seconds:.0f} s no job could be exchanged with it:"
            f" {self._exchange.trouble}; ending, so that a new start can try"
        )
