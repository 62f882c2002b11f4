"""Where lines go that nobody may be waiting for."""

import os
import select
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

STDOUT: Final = 1
STDERR: Final = 2
#: A pipe that has room takes this much at once, and whole (POSIX: PIPE_BUF).
PIECE_BYTES: Final = 4096
#: How often a write is tried again that others have kept out.
MOST_COLLISIONS: Final = 100


class Outlet:
    """Writes to a descriptor what can be written without waiting, and tells what cannot.

    Who reads our output may be slow, stopped or gone: a write that waits for him would stop deadlines and leases too.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_torn = False

    def isatty(self) -> bool:
        """Return whether a terminal shows it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> bool:
        """Write the text, and return True; False if there is no room for it, or no reader."""
        data = text.encode(errors="backslashreplace")
        # Half a line that stands there already must not spoil this one, too.
        pieces = memoryview(b"\n" + data if self._is_torn else data)
        written = 0
        try:
            with self._opened() as descriptor:
                while written < len(pieces) and _has_room(descriptor):
                    written += _write_some(descriptor, pieces[written : written + PIECE_BYTES])
        except OSError:
            # It has filled up since, its reader has left, or its disk is full.
            pass
        is_whole = written == len(pieces)
        self._is_torn = not is_whole and (self._is_torn or written > 0)
        return is_whole

    @contextmanager
    def _opened(self) -> Generator[int, None, None]:
        """Yield a descriptor of our own that never blocks; the given one where there can be none.

        O_NONBLOCK on the given one would hold for everybody who shares it: what a job prints would get lost.
        """
        own = None if stat.S_ISREG(os.fstat(self._descriptor).st_mode) else _reopened(self._descriptor)
        if own is None:
            yield self._descriptor
            return
        try:
            yield own
        finally:
            os.close(own)


def _reopened(descriptor: int) -> int | None:
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        # A socket, another user's pipe, or a system without /proc.
        return None


def _write_some(descriptor: int, piece: memoryview) -> int:
    # A terminal takes one writer at a time, and calls that "full" too: whoever logs in the same instant is soon done.
    for _ in range(MOST_COLLISIONS):
        try:
            return os.write(descriptor, piece)
        except BlockingIOError:
            os.sched_yield()
    return os.write(descriptor, piece)


def _has_room(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def fill_standard_streams() -> None:
    """Give stdin, stdout and stderr the null device where we were started without them.

    Else the next file or socket would get the number, and take what is printed there.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (STDOUT, "stdout", "w"), (STDERR, "stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free number is the one that is missing.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
