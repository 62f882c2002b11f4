"""Signals as messages: blocked, and taken one by one where the loop waits."""

import signal
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self


class Ask(Enum):
    """What a signal asks of `jobworker up`."""

    #: Let what runs end within its grace; said again: hurry.
    STOP = auto()
    #: Let what runs end within its grace, however often it is said.
    DRAIN = auto()
    #: End now what can be ended without loss.
    HURRY = auto()


#: A closed terminal (SIGHUP, perhaps twice, for its shell passes it on) is no reason to lose the drain.
ASKS: Final = {
    signal.SIGINT: Ask.STOP,
    signal.SIGTERM: Ask.STOP,
    signal.SIGHUP: Ask.DRAIN,
    signal.SIGQUIT: Ask.HURRY,
    signal.SIGUSR1: Ask.HURRY,
}


class SignalInbox:
    """Takes SIGCHLD and the signals that ask for something; while it is open nothing else happens on them."""

    def __init__(self) -> None:
        # What was ignored when we were started (nohup, a script's background job) stays ignored.
        self._numbers = {signal.SIGCHLD, *(n for n in ASKS if signal.getsignal(n) is not signal.SIG_IGN)}
        self._mask: set[signal.Signals | int] = set()

    def __enter__(self) -> Self:
        """Block the signals."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let them through again."""
        # What came too late to be answered would end us as soon as it is let through.
        while signal.sigtimedwait(self._numbers, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def take(self) -> signal.Signals:
        """Wait for the next signal, and return it."""
        return signal.Signals(signal.sigwait(self._numbers))

    def wait(self, seconds: float) -> Ask | None:
        """Wait until a child ends or somebody asks for something, at most so long; return what is asked for."""
        taken = signal.sigtimedwait(self._numbers, max(0.0, seconds))
        return None if taken is None else ASKS.get(signal.Signals(taken.si_signo))
