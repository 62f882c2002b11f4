"""Tells Redis the output and the progress of attempts that run, a few times a second."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.store.claims import Attempted
from jobworker.store.errors import EpochLost, StoreError
from jobworker.store.incarnation import Incarnation
from jobworker.supervisor.output import Output

log = structlog.get_logger("jobworker.reporter")

#: After the first word: a job that ends within it has its output go with its settle.
GATHER_SECONDS: Final = 0.05
#: Between two calls.
INTERVAL_SECONDS: Final = 0.25
#: After a call that failed.
RETRY_SECONDS: Final = 1.0


class Reporter:
    """Owns nothing: hands on what the output has, on a connection that no exchange waits for.

    Told:   there is something (by the output, through its event).
    Tells:  the output, what Redis has; the stale writes, what it has not taken.
    Ends:   when cancelled.
    """

    def __init__(self, incarnation: Incarnation, output: Output, refused: Callable[[Attempted, str], None]) -> None:
        self._incarnation = incarnation
        self._output = output
        self._refused = refused

    async def run(self) -> None:
        """Report whenever there is something, four times a second at most."""
        while True:
            await self._output.waiting.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await asyncio.sleep(await self._report())

    async def _report(self) -> float:
        """Report once; return for how long to rest."""
        reports = self._output.reports()
        if not reports:
            return INTERVAL_SECONDS
        try:
            words = await self._incarnation.report(reports)
        except StoreError as error:
            self._output.failed()
            if not isinstance(error, EpochLost):
                log.debug("redis does not take output; trying again", error=str(error))
            return RETRY_SECONDS
        self._output.taken(reports)
        for report, word in zip(reports, words, strict=True):
            if word != "ok":
                self._refused(Attempted(report.id, report.token), word)
        return INTERVAL_SECONDS
