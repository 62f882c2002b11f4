"""Listening for hints from Redis: a lost one costs a poll, never a job."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from jobworker.store.errors import StoreError, StoreUnavailable
from jobworker.store.incarnation import IDLE, Hint, Hints
from jobworker.supervisor.trouble import Trouble

#: How long one wait blocks; between two it is seen whether workers are idle.
WAIT_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.5


class Listener:
    """Owns the blocking wait on the inbox and, while workers are idle, on the wake lists.

    Told:   workers stay idle after a claim (by the exchange).
    Tells:  the exchange, that there may be something to claim; the lease, that there may be something to cancel.
    Ends:   when cancelled.
    """

    def __init__(
        self, hints: Hints, *, has_idle: Callable[[], bool], wake: Callable[[], None], inbox: Callable[[], None]
    ) -> None:
        self._hints = hints
        self._has_idle = has_idle
        self._wake = wake
        self._inbox = inbox
        self._trouble = Trouble("jobworker.hints")
        self._waiting_idle = True
        self._interrupting: asyncio.Task[None] | None = None

    def idle(self) -> None:
        """Listen to the wake lists from now on: interrupt a wait that began while all workers were busy."""
        if not self._waiting_idle and self._interrupting is None:
            self._interrupting = asyncio.get_running_loop().create_task(self._interrupt())

    async def run(self) -> None:
        """Wait for hints, for ever."""
        while True:
            self._waiting_idle = self._has_idle()
            try:
                hint = await self._hints.wait(idle=self._waiting_idle, seconds=WAIT_SECONDS)
                self._trouble.over()
                await self._pass_on(hint)
            except StoreError as error:
                if isinstance(error, StoreUnavailable):
                    # The exchange says so in the log, and polls meanwhile. A hint that Redis gave to a connection which
                    # is lost is lost too, so both look without one.
                    self._inbox()
                    self._wake()
                else:
                    self._trouble.met("hints cannot be heard; jobs are asked for once a poll", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _pass_on(self, hint: Hint | None) -> None:
        if hint is None or hint.word == IDLE:
            return
        if hint.wake is None:
            self._inbox()
        elif self._has_idle():
            self._wake()
        else:
            await self._hints.push_back(hint.wake)

    async def _interrupt(self) -> None:
        try:
            with suppress(StoreError):
                await self._hints.interrupt()
        finally:
            self._interrupting = None
