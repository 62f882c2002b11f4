"""One process of several that serve, seen from their parent: forked, started again with a brake, told to end."""

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

from jobworker.api.death_signal import death_signal
from jobworker.store.backoff import Backoff

#: How soon one that ended is started again; less and less soon if it keeps ending.
BRAKE: Final = Backoff(base=0.1, factor=2.0, max=5.0, jitter=False)
#: One that lived this long has started well: the next restart is as quick as the first.
GOOD_LIFE_SECONDS: Final = 10.0
#: Exit code of one whose own code failed (sysexits.h: EX_SOFTWARE).
BROKEN: Final = 70

log = structlog.stdlib.get_logger(__name__)


class Child:
    """Owns one process, whose number among the others stays the same over restarts.

    Told:  to start, to look after itself (`tend`), to take a signal.
    Tells: whether it runs, when it wants to be tended.
    Ends:  when its process has ended and nobody tends it any more.
    """

    def __init__(
        self,
        number: int,
        listen: Callable[[], socket.socket],
        body: Callable[[int, socket.socket], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        fork: Callable[[], int] = os.fork,
    ) -> None:
        self._number = number
        self._listen = listen
        self._body = body
        self._clock = clock
        self._fork = fork
        self._pid: int | None = None
        self._started_at = 0.0
        self._quick_deaths = 0
        #: When it is to be started again; None while it runs.
        self.due_at: float | None = None

    @property
    def runs(self) -> bool:
        """Whether its process has not been reaped yet."""
        return self._pid is not None

    def start(self) -> None:
        """Fork its process. Raises OSError when the system has no room for it."""
        self.due_at = None
        self._started_at = self._clock()
        bind_to_parent = death_signal(signal.SIGTERM)
        # Its own socket: on one that is shared, some processes would take most connections.
        with self._listen() as listener:
            self._pid = self._fork()
            if self._pid == 0:
                # This is where a child leaves the parent's code. It never returns into its loop.
                bind_to_parent()
                self._serve_and_exit(listener)

    def tend(self) -> None:
        """Start its process again if it has ended, but not at once."""
        now = self._clock()
        if self.due_at is not None:
            if now >= self.due_at:
                self._start_again()
        elif (fate := self.reap()) is not None:
            self._brake(now, fate)

    def reap(self) -> str | None:
        """Return how its process has ended, in words and once; None while it lives."""
        if self._pid is None:
            return None
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            return None
        self._pid = None
        code = os.waitstatus_to_exitcode(status)
        return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if that has not been reaped."""
        if self._pid is not None:
            os.kill(self._pid, number)

    def _start_again(self) -> None:
        try:
            self.start()
        except OSError as error:
            self._brake(self._clock(), str(error))

    def _brake(self, now: float, fate: str) -> None:
        quick = now - self._started_at < GOOD_LIFE_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 1
        delay_seconds = BRAKE.delay_ms(self._quick_deaths) / 1000
        self.due_at = now + delay_seconds
        log.warning("process ended; it is started again", process=self._number, fate=fate, after_seconds=delay_seconds)

    def _serve_and_exit(self, listener: socket.socket) -> NoReturn:
        status = BROKEN
        try:
            # Out of the terminal's reach: what Ctrl-C sends comes once, through the parent.
            os.setsid()
            self._body(self._number, listener)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
