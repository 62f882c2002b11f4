"""One process of several that serve, seen from their parent: forked, started again with a brake, told to end."""

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

from jobworker.api.brake import Brake, fate_of
from jobworker.api.death_signal import death_signal

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
        self._fork = fork
        self._pid: int | None = None
        self._brake = Brake(clock)

    @property
    def runs(self) -> bool:
        """Whether its process has not been reaped yet."""
        return self._pid is not None

    @property
    def due_at(self) -> float | None:
        """When it wants to be tended next; None: when its process ends."""
        return self._brake.due_at

    def start(self) -> None:
        """Fork its process. Raises OSError when the system has no room for it."""
        self._brake.started()
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
        if self._brake.has_let_go:
            self._start_again()
        elif (fate := self.reap()) is not None:
            self._hold(fate)

    def reap(self) -> str | None:
        """Return how its process has ended, in words and once; None while it lives."""
        if self._pid is None:
            return None
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            return None
        self._pid = None
        return fate_of(os.waitstatus_to_exitcode(status))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process, if that has not been reaped."""
        if self._pid is not None:
            os.kill(self._pid, number)

    def _start_again(self) -> None:
        try:
            self.start()
        except OSError as error:
            self._hold(str(error))

    def _hold(self, fate: str) -> None:
        delay_seconds = self._brake.ended()
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
