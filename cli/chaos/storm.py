"""The faults of a run, each at its time."""

import heapq
import time
from collections.abc import Callable, Sequence
from typing import Final

from jobworker.cli.chaos.nemeses import Scene, Struck, Undo, strike
from jobworker.cli.chaos.schedule import Fault

#: How long a fault may wait for somebody whom it can hit.
PATIENCE_SECONDS: Final = 1.0


class Storm:
    """Owns the faults of a run.

    Told:  to go on (`turn`), to end and to undo everything.
    Tells: what has happened.
    Ends:  with `calm`.
    """

    def __init__(self, scene: Scene, faults: Sequence[Fault], clock: Callable[[], float] = time.monotonic) -> None:
        self.struck: list[Struck] = []
        self._scene = scene
        self._clock = clock
        self._began = clock()
        self._coming = list(faults)
        #: When what is undone; the number keeps equals apart.
        self._undos: list[tuple[float, int, Undo]] = []

    def turn(self) -> None:
        """Do and undo what is due."""
        now = self._clock() - self._began
        while self._undos and self._undos[0][0] <= now:
            heapq.heappop(self._undos)[2]()
        if self._coming and self._coming[0].at_seconds <= now:
            self._strike(now)

    def calm(self) -> None:
        """Undo everything now."""
        while self._undos:
            heapq.heappop(self._undos)[2]()

    def _strike(self, now: float) -> None:
        fault = self._coming[0]
        happened = strike(self._scene, fault)
        if happened is not None:
            struck, undo = happened
            self.struck.append(struck)
            if undo is not None:
                heapq.heappush(self._undos, (now + fault.lasts_seconds, len(self.struck), undo))
        if happened is not None or now > fault.at_seconds + PATIENCE_SECONDS:
            self._coming.pop(0)
