"""How one part is made to end: asked, asked again, killed."""

import math
import signal
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.cli.parts import Part

#: How long what is left may take once there is a hurry.
HURRY_SECONDS: Final = 5.0
#: How long after the first SIGTERM the second one follows in a hurry: sent at once, the two would be one.
REPEAT_SECONDS: Final = 0.1

log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("jobworker.up")


class Ending:
    """Owns the end of one part.

    Told:  to hurry, to look at the clock (`tend`).
    Tells: its part by SIGTERM, by another one in a hurry, by SIGKILL when its time is over.
    Ends:  when its part has ended.
    """

    def __init__(self, part: Part, clock: Callable[[], float], *, hurried: bool) -> None:
        self._part = part
        self._clock = clock
        self._repeat_at = math.inf
        self._kill_at = clock() + part.patience_seconds
        #: Whether it came to SIGKILL.
        self.killed = False
        part.signal(signal.SIGTERM)
        if hurried:
            self.hurry()

    @property
    def due_at(self) -> float:
        """When it wants to be tended next."""
        return min(self._repeat_at, self._kill_at)

    def hurry(self) -> None:
        """Do not wait for what runs."""
        now = self._clock()
        self._repeat_at = now + REPEAT_SECONDS
        self._kill_at = min(self._kill_at, now + HURRY_SECONDS)

    def tend(self) -> None:
        """Do what is due."""
        now = self._clock()
        if now >= self._repeat_at:
            self._repeat_at = math.inf
            self._part.signal(signal.SIGTERM)
        if now >= self._kill_at:
            log.warning("part did not end in time; it is killed", part=self._part.name)
            self._kill_at = math.inf
            self.killed = True
            self._part.signal(signal.SIGKILL)
