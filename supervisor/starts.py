"""Workers that start: the brake on those that fail, a word on those that take long, an end for those that hang."""

from asyncio import TimerHandle
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
    """Owns the brake on a loop of failed starts, and the time that a start may take.

    Told:   a start failed, a worker has proven itself (by the pool).
    Tells:  the pool, when to try again, and which start takes long or too long.
    """

    def __init__(
        self,
        loop: SupervisorLoop,
        *,
        try_again: Callable[[], object],
        is_slow: Callable[[WorkerProcess], object],
        is_too_slow: Callable[[WorkerProcess, float], object],
        slow_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self.wait_seconds = FIRST_WAIT_SECONDS
        self._loop = loop
        self._try_again = try_again
        self._is_slow = is_slow
        self._is_too_slow = is_too_slow
        self._slow_seconds = slow_seconds
        self._timeout_seconds = timeout_seconds
        self._brake: TimerHandle | None = None

    @property
    def held_back(self) -> bool:
        """Whether nothing is forked for the time being."""
        return self._brake is not None

    def hold_back(self) -> None:
        """Fork nothing for a while, longer each time."""
        self._release()
        self._brake = self._loop.call_later(self.wait_seconds, self._go_on)
        self.wait_seconds = min(2 * self.wait_seconds, LONGEST_WAIT_SECONDS)

    def take_brake_off(self) -> None:
        """Wait no longer than at first when the next one fails."""
        self.wait_seconds = FIRST_WAIT_SECONDS

    def begin_anew(self) -> None:
        """Forget what has failed: what is held back now need not wait either."""
        self._release()
        self.take_brake_off()

    def watch(self, worker: WorkerProcess) -> None:
        """Say which import it is if it lasts, and again at twice the age, until it has had its time."""
        self._look_at(worker, 0.0, min(self._slow_seconds, self._timeout_seconds))

    def _look_at(self, worker: WorkerProcess, age_seconds: float, then_seconds: float) -> None:
        self._loop.call_later(then_seconds - age_seconds, self._look, worker, then_seconds)

    def _look(self, worker: WorkerProcess, age_seconds: float) -> None:
        if worker.stage is not Stage.STARTING or worker.reaped:
            return
        if age_seconds >= self._timeout_seconds:
            self._is_too_slow(worker, age_seconds)
            return
        log.warning("still importing handlers", worker=worker.pid, module=worker.module, seconds=age_seconds)
        self._is_slow(worker)
        self._look_at(worker, age_seconds, min(2 * age_seconds, self._timeout_seconds))

    def _go_on(self) -> None:
        self._release()
        self._try_again()

    def _release(self) -> None:
        if self._brake is not None:
            self._brake.cancel()
            self._brake = None
