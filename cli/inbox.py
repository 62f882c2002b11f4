"""Signals as messages: blocked, and taken one by one where the loop waits."""

import signal
from types import TracebackType
from typing import Final, Self

#: What asks `up` to stop. A closed terminal (SIGHUP) is no reason to lose the drain.
STOP: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInbox:
    """Takes SIGCHLD and the signals that ask to stop; while it is open nothing else happens on them."""

    def __init__(self) -> None:
        # What was ignored when we were started (nohup, a script's background job) stays ignored.
        self._numbers = {signal.SIGCHLD, *(n for n in STOP if signal.getsignal(n) is not signal.SIG_IGN)}
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

    def wait(self, seconds: float) -> bool:
        """Wait until a child ends, at most so long; return True when somebody asks to stop."""
        taken = signal.sigtimedwait(self._numbers, max(0.0, seconds))
        return taken is not None and taken.si_signo in STOP
