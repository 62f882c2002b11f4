"""The brake on restarts: how soon a process that has ended is started again."""

import signal
from collections.abc import Callable
from typing import Final

from jobworker.store.backoff import Backoff

#: How soon one that ended is started again; less and less soon if it keeps ending.
DELAYS: Final = Backoff(base=0.1, factor=2.0, max=5.0, jitter=False)
#: One that lived this long has started well: the next restart is as quick as the first.
GOOD_LIFE_SECONDS: Final = 10.0


class Brake:
    """Of one process, whose parent tells it of each start and each end."""

    def __init__(self, clock: Callable[[], float], delays: Backoff = DELAYS) -> None:
        self._clock = clock
        self._delays = delays
        self._started_at = 0.0
        self._quick_ends = 0
        #: When it is to be started again; None while it runs.
        self.due_at: float | None = None

    @property
    def has_let_go(self) -> bool:
        """Whether it is time to start again."""
        return self.due_at is not None and self._clock() >= self.due_at

    def started(self) -> None:
        """Begin to measure its life."""
        self.due_at = None
        self._started_at = self._clock()

    def ended(self) -> float:
        """Hold the next start back; return for how many seconds."""
        now = self._clock()
        quick = now - self._started_at < GOOD_LIFE_SECONDS
        self._quick_ends = self._quick_ends + 1 if quick else 1
        delay_seconds = self._delays.delay_ms(self._quick_ends) / 1000
        self.due_at = now + delay_seconds
        return delay_seconds


def fate_of(exit_code: int) -> str:
    """Say how a process has ended.

    >>> fate_of(-9)
    'killed by SIGKILL'
    """
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by {signal.Signals(-exit_code).name}"
