"""Whether Redis refuses what it is asked: told when it begins, now and then while it lasts, and when it has passed."""

import math
from collections.abc import Callable
from threading import Lock
from typing import Final

import structlog

#: How long nothing must have been refused until it has passed, and how long the log is told nothing while it lasts.
QUIET_SECONDS: Final = 10.0

log = structlog.stdlib.get_logger(__name__)


class Trouble:
    """Owns the last refusal of Redis: it is out of memory, denies us a command, holds a key of the wrong type.

    A call of another kind may well succeed meanwhile. So no success ends a trouble, but a time without refusals.

    Told:   of each refusal, and of each call that succeeded.
    Tells:  the log, and the readiness as long as it lasts.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        #: What Redis said last; None while it refuses nothing.
        self.reason: str | None = None
        self._refused_at = self._told_at = -math.inf

    def refused(self, reason: str) -> None:
        """Note that Redis has refused a call."""
        with self._lock:
            now = self._refused_at = self._clock()
            self.reason = reason
            if now - self._told_at < QUIET_SECONDS:
                return
            self._told_at = now
        log.error("redis refuses calls; answering 503", reason=reason)

    def succeeded(self) -> None:
        """Note that Redis has done what it was asked."""
        # Looked at without the lock first: nearly every call ends here.
        if self.reason is not None and self._ends():
            log.info("redis refuses nothing any more", quiet_seconds=QUIET_SECONDS)

    def _ends(self) -> bool:
        with self._lock:
            if self.reason is None or self._clock() - self._refused_at < QUIET_SECONDS:
                return False
            self.reason = None
            return True
