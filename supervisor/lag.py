"""How long the supervisor's loop is blocked: from one look for events to the next, in which nobody is heard."""

import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog

from jobworker.store.sizing import usable_cpus

log = structlog.get_logger("jobworker.lag")

#: A turn of the loop that lasts longer is worth a line in the log, at most one in so many seconds.
TOO_LONG_SECONDS: Final = 0.050
LINE_EVERY_SECONDS: Final = 60.0
#: What is called recent, and how fine the time of a turn is kept.
RECENT_SECONDS: Final = 60.0
GRAIN_SECONDS: Final = 1.0


class LagSelector(selectors.DefaultSelector):
    """Owns the figure, and waits for events as the loop's selector: no timer of its own, so it wakes nobody.

    Told:   look for events (by the loop, once a turn).
    Tells:  the log, of turns that lasted too long.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._returned_at = clock()
        #: The longest turn since it was last asked for.
        self._longest = 0.0
        #: Periods of the last minute: when each began, and its longest turn.
        self._recent: deque[tuple[float, float]] = deque()
        #: The longest turn of all that were asked for.
        self._most = 0.0
        self._next_line_at = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events, as the base class does; note how long the loop was busy before."""
        seconds = self._clock() - self._returned_at
        if seconds > self._longest:
            self._note(seconds)
        events = super().select(timeout)
        self._returned_at = self._clock()
        return events

    @property
    def recent_seconds(self) -> float:
        """The longest turn of the last minute."""
        self._close_period()
        return max(longest for _, longest in self._recent)

    @property
    def most_seconds(self) -> float:
        """The longest turn since the start."""
        self._close_period()
        return self._most

    def _note(self, seconds: float) -> None:
        self._longest = seconds
        now = self._clock()
        if seconds > TOO_LONG_SECONDS and now >= self._next_line_at:
            self._next_line_at = now + LINE_EVERY_SECONDS
            # More load than CPUs: it did not wait for itself, but for one of them.
            load, cpus = round(os.getloadavg()[0], 1), len(usable_cpus())
            milliseconds = round(seconds * 1000)
            event = "the loop was blocked; deadlines and cancels waited"
            log.warning(event, milliseconds=milliseconds, load=load, cpus=cpus)

    def _close_period(self) -> None:
        now = self._clock()
        self._most = max(self._most, self._longest)
        # Whoever asks often shall not make the list long.
        if self._recent and now < self._recent[-1][0] + GRAIN_SECONDS:
            began_at, longest = self._recent.pop()
            self._recent.append((began_at, max(longest, self._longest)))
        else:
            self._recent.append((now, self._longest))
        self._longest = 0.0
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
