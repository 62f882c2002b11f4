"""Notices that Redis answers and nothing can be exchanged with it all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jobworker.supervisor.errors import SupervisorError
from jobworker.supervisor.exchange import Exchange

#: How many lease terms the exchange may fail before Redis is asked whether it lives.
PATIENCE_TERMS: Final = 3


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
        while True:
            await asyncio.sleep(self._lease_seconds)
            stuck_seconds = self._exchange.stuck_seconds
            if stuck_seconds > PATIENCE_TERMS * self._lease_seconds and await self._answers():
                raise SupervisorError(
                    f"Redis answers, but for {stuck_seconds:.0f} s no job could be exchanged with it:"
                    f" {self._exchange.last_error}; ending, so that a new start can try"
                )
