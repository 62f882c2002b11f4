"""A part of `jobworker up`: one process that is started, watched, restarted with a brake, and stopped."""

import signal
import subprocess
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.api.brake import DELAYS, Brake, fate_of
from jobworker.cli.errors import Failed
from jobworker.store.backoff import Backoff

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
        delays: Backoff = DELAYS,
    ) -> None:
        self.name = name
        #: How long it may take to end after SIGTERM.
        self.patience_seconds = patience_seconds
        self.is_ready = is_ready
        self._spawn = spawn
        self._last_words = last_words
        self._process: subprocess.Popen[bytes] | None = None
        self._brake = Brake(clock, delays)

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The number of its process; None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def fate(self) -> str:
        """How its process has ended."""
        code = self._process.poll() if self._process is not None else None
        return "it was not started" if code is None else fate_of(code)

    @property
    def due_at(self) -> float | None:
        """When it wants to be tended next; None: when its process ends."""
        return self._brake.due_at

    def start(self) -> None:
        """Start its process."""
        self._brake.started()
        self._process = self._spawn()
        log.debug("part started", part=self.name, pid=self._process.pid)

    def tend(self) -> None:
        """Restart its process if it has ended, but not at once, and less and less soon if it keeps ending."""
        if self._brake.has_let_go:
            self._start_again()
        elif self.due_at is None and not self.runs:
            self._hold(self.fate)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if that still lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def why_it_ended(self) -> str | None:
        """Return what is to be said of a first start that failed; None if the process has said it itself."""
        if self._last_words is not None:
            return f"the {self.name} did not start ({self.fate}): {self._last_words()}"
        code = self._process.poll() if self._process is not None else None
        return None if code is not None and code > 0 else f"the {self.name} did not start: {self.fate}"

    def _start_again(self) -> None:
        try:
            self.start()
        except (Failed, OSError) as error:
            self._hold(str(error))

    def _hold(self, fate: str) -> None:
        delay_seconds = self._brake.ended()
        log.warning("part ended; it is started again", part=self.name, fate=fate, after_seconds=delay_seconds)
