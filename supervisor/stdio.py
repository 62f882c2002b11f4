"""The worker's standard output and error: they lead into the pipe of the job that has its turn."""

import ctypes
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from jobworker.supervisor.pipes import NO_PIPE

_STREAMS: Final = (1, 2)
_LINE_BUFFERED: Final = 1
# Of C code: held by the interpreter's lock, so that a flush costs no change of threads.
_libc = ctypes.PyDLL(None)


class StandardOutput:
    """Owns where descriptors 1 and 2 lead.

    Told:   renew (there is another pipe); lead (before each job); flush (after it); restore (when the worker ends).
    Asked:  in_place.
    """

    def __init__(self, sinks: Sequence[int]) -> None:
        self._sinks = list(sinks)
        self._files = [file_at(sink) for sink in sinks]
        # Where the worker itself complains, should its own code fail.
        self._originals = [os.dup(descriptor) for descriptor in _STREAMS]
        self._expected = [file_at(descriptor) for descriptor in _STREAMS]

    def renew(self, which: int, sink: int) -> None:
        """Take a fresh pipe in the place of one that a process of an earlier job may hold."""
        if file_at(self._sinks[which]) == self._files[which]:
            os.close(self._sinks[which])
        self._sinks[which], self._files[which] = sink, file_at(sink)

    def lead(self, which: int) -> None:
        """Let what is written from now on go into this pipe. Raises OSError when a job has closed it."""
        if which == NO_PIPE:
            return
        for descriptor in _STREAMS:
            os.dup2(self._sinks[which], descriptor)
        self._expected = [self._files[which]] * len(_STREAMS)

    def in_place(self) -> bool:
        """Whether they still lead there: else a file that a job has opened may have taken the place of one."""
        return [file_at(descriptor) for descriptor in _STREAMS] == self._expected

    def flush(self) -> None:
        """Write what is still in a buffer: the beginning of a line."""
        flush_streams()
        _libc.fflush(None)

    def restore(self) -> None:
        """Let the worker's own words go where they went before its first job."""
        for descriptor, original in zip(_STREAMS, self._originals, strict=True):
            with suppress(OSError):
                os.dup2(original, descriptor)
                os.close(original)


def flush_streams() -> None:
    """Write what Python's streams still hold."""
    for stream in (sys.stdout, sys.stderr):
        # A job may have closed one, or put anything in its place.
        with suppress(Exception):
            stream.flush()


def write_lines_at_once() -> None:
    """Have Python and C write each line as it is complete: a SIGKILL takes along what is in a buffer."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    for name in ("stdout", "stderr"):
        # A libc that does not export them has other names for them; its buffers are flushed after each job.
        with suppress(ValueError):
            _libc.setvbuf(ctypes.c_void_p.in_dll(_libc, name), None, _LINE_BUFFERED, 0)


def file_at(descriptor: int) -> tuple[int, int] | None:
    """Return which file a descriptor is; None: it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
