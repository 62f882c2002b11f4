"""A part of `jobworker up`: one process that is started, watched, restarted with a brake, and stopped."""

import signal
import subprocess
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.cli.errors import Failed
from jobworker.store.backoff import Backoff

#: How soon one that ended is started again; less and less soon if it keeps ending.
BRAKE: Final = Backoff(base=0.1, factor=2.0, max=5.0, jitter=False)
#: A part that lived this long has started well: the next restart is as quick as the first.
GOOD_LIFE_SECONDS: Final = 10.0

log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("jobworker.up")


class Part:
    """Owns one process.

    Told:  to start, to look after itself (`tend`), to take a signal.
    Tells: whether it runs, whether it is ready, when it wants to be tended.
    Ends:  when its process has ended and nobody tends it any more.
    """

    def __init__(
        self,
        name: str,
        spawn: Callable[[], subprocess.Popen[bytes]],
        *,
        clock: Callable[[], float],
        patience_seconds: float,
        is_ready: Callable[[], bool] = lambda: True,
        last_words: Callable[[], str] | None = None,
    ) -> None:
        self.name = name
        #: How long it may take to end after SIGTERM.
        self.patience_seconds = patience_seconds
        self.is_ready = is_ready
        self._spawn = spawn
        self._clock = clock
        self._last_words = last_words
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._quick_deaths = 0

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def due_at(self) -> float | None:
        """When it wants to be tended next; None: when its process ends."""
        return self._restart_at

    def start(self) -> None:
        """Start its process."""
        self._restart_at = None
        self._started_at = self._clock()
        self._process = self._spawn()
        log.debug("part started", part=self.name, pid=self._process.pid)

    def tend(self) -> None:
        """Restart its process if it has ended, but not at once, and less and less soon if it keeps ending."""
        now = self._clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._start_again()
        elif not self.runs:
            self._brake(now, self._fate())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if that still lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def why_it_ended(self) -> str | None:
        """Return what is to be said of a first start that failed; None if the process has said it itself."""
        if self._last_words is not None:
            return f"the {self.name} did not start ({self._fate()}): {self._last_words()}"
        code = self._process.poll() if self._process is not None else None
        return None if code is not None and code > 0 else f"the {self.name} did not start: {self._fate()}"

    def _start_again(self) -> None:
        try:
            self.start()
        except (Failed, OSError) as error:
            self._brake(self._clock(), str(error))

    def _brake(self, now: float, fate: str) -> None:
        quick = now - self._started_at < GOOD_LIFE_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 1
        delay_seconds = BRAKE.delay_ms(self._quick_deaths) / 1000
        self._restart_at = now + delay_seconds
        log.warning("part ended; it is started again", part=self.name, fate=fate, after_seconds=delay_seconds)

    def _fate(self) -> str:
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return "it was not started"
        return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
