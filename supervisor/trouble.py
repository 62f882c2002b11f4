"""What Redis refuses one actor: told at once, now and then while it lasts, and when it is over."""

import math
import time
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.store.errors import StoreError

#: How often the log is told of a trouble that lasts, and how soon of another reason for it.
REPEAT_SECONDS: Final = 60.0
NEWS_SECONDS: Final = 1.0


class Trouble:
    """Owns the last error of one actor's calls, until one succeeds.

    Told:   met, of each error; over, of each success.
    Tells:  the log; the beat file and the service manager, who read the reason.
    """

    def __init__(self, actor: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = structlog.get_logger(actor)
        self._clock = clock
        #: On one line; empty while there is none.
        self.reason = ""
        self._began_at = 0.0
        self._told = ""
        self._told_at = -math.inf

    def met(self, event: str, error: StoreError, **facts: object) -> None:
        """Note an error, and tell the log unless it has just heard of it."""
        now = self._clock()
        if not self.reason:
            self._began_at, self._told = now, ""
        self.reason = " ".join(str(error).split())
        if now - self._told_at >= (REPEAT_SECONDS if self.reason == self._told else NEWS_SECONDS):
            self._told, self._told_at = self.reason, now
            self._log.warning(event, error=self.reason, seconds=round(now - self._began_at), **facts)

    def over(self, event: str = "") -> None:
        """Note that a call has succeeded; say so by `event` if there was a trouble."""
        if self._told and self.reason and event:
            self._log.info(event, seconds=round(self._clock() - self._began_at))
        self.reason = ""
