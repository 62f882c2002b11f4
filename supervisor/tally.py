"""What attempts came to and cost, added up in memory: a job costs a few additions, and Redis one call a second."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from jobworker.store.claims import Settle
from jobworker.store.errors import StoreError
from jobworker.store.states import Outcome
from jobworker.store.stats import Sums

#: How long sums are gathered before they are handed over: a supervisor that is killed takes those along.
GATHER_SECONDS: Final = 1.0


class Tally:
    """Owns the sums that Redis does not have yet.

    Told:   settled: Redis has taken the end of an attempt (by the exchange).
    Tells:  Redis, about a second after there is something to tell.
    Ends:   when cancelled; `hand_over` tells the rest.
    """

    def __init__(self, write: Callable[[int, Sequence[Sums]], Awaitable[None]]) -> None:
        self._write = write
        self._sums: dict[str, Sums] = {}
        self._number = 0
        #: What was handed over last, until that is answered: a repeat must be the same.
        self._open: list[Sums] = []
        self._is_due = asyncio.Event()

    def settled(self, settle: Settle) -> None:
        """Count an attempt; one that was not started, or of a job whose type nobody can read, is none."""
        if not settle.type or settle.outcome is Outcome.RECALLED:
            return
        sums = self._sums.get(settle.type)
        if sums is None:
            sums = self._sums[settle.type] = Sums(settle.type)
            self._is_due.set()
        sums.count(settle.outcome, settle.receipt)

    async def run(self) -> None:
        """Hand over what there is, once a second, and wake nobody while there is nothing."""
        while True:
            await self._is_due.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self.hand_over()

    async def hand_over(self) -> None:
        """Tell Redis all of it, or try again later: then with the same number, for it may have been heard."""
        try:
            while self._open or self._sums:
                if not self._open:
                    self._open, self._sums = list(self._sums.values()), {}
                    self._number += 1
                await self._write(self._number, self._open)
                self._open = []
        except StoreError:
            return
        self._is_due.clear()
