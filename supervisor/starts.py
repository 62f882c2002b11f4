"""Workers that start: the brake on those that fail, and a word on those that take long."""

from collections.abc import Callable
from typing import Final

import structlog

from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.process import Stage, WorkerProcess

log = structlog.get_logger("jobworker.starts")

#: The wait after a worker that ended before its first job; doubles up to the longest.
FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 30.0
#: After this the log says that a worker is still starting; then after twice the time, and so on.
SLOW_START_SECONDS: Final = 5.0


class Starts:
    """Owns the brake on a loop of failed starts.

    Told:   a start failed, a worker has proven itself (by the pool).
    Tells:  the pool, when to try again.
    """

    def __init__(self, loop: SupervisorLoop, try_again: Callable[[], object], slow_start_seconds: float) -> None:
        self.held_back = False
        self.wait_seconds = FIRST_WAIT_SECONDS
        self._loop = loop
        self._try_again = try_again
        self._slow_start_seconds = slow_start_seconds

    def hold_back(self) -> None:
        """Fork nothing for a while, longer each time."""
        self.held_back = True
        self._loop.call_later(self.wait_seconds, self._release)
        self.wait_seconds = min(2 * self.wait_seconds, LONGEST_WAIT_SECONDS)

    def take_brake_off(self) -> None:
        """Wait no longer than at first when the next one fails."""
        self.wait_seconds = FIRST_WAIT_SECONDS

    def watch(self, worker: WorkerProcess) -> None:
        """Say which import it is if it lasts, and again at twice the age."""
        self._loop.call_later(self._slow_start_seconds, self._look, worker, self._slow_start_seconds)

    def _look(self, worker: WorkerProcess, age_seconds: float) -> None:
        if worker.stage is Stage.STARTING and not worker.reaped:
            log.warning("still importing handlers", worker=worker.pid, module=worker.module, seconds=age_seconds)
            self._loop.call_later(age_seconds, self._look, worker, 2 * age_seconds)

    def _release(self) -> None:
        self.held_back = False
        self._try_again()
