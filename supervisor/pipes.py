"""The two pipes through which a worker's jobs write, stdout and stderr together; the jobs take turns at them.

What is in a pipe when a job's report is read was written by that job. What something that it left behind writes later
does not land with the next job, which has the other pipe; nor with one that comes later, for a pipe that a process may
still hold is replaced before its next turn.
"""

import os
from collections.abc import Iterable
from typing import Final, Self

#: How much a pipe holds, and hence how much is there at most when a report is read.
PIPE_BYTES: Final = 64 * 1024
COUNT: Final = 2
#: Instead of one of them: what the job writes is not kept.
NO_PIPE: Final = -1


class OutputPipes:
    """The supervisor reads from the sources what the worker's jobs write into the sinks; sources are descriptors."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self.sources: list[int]
        self.sinks: list[int]
        self.sources, self.sinks = map(list, zip(*pairs, strict=True))
        #: Which one the present job writes into.
        self.current = 0
        #: Of pipes that were replaced: who writes into them must not be stopped, but is not listened to.
        self.outlets: set[int] = set()
        self._held: set[int] = set()

    @classmethod
    def open(cls) -> Self:
        """Make the pipes, close-on-exec. Raises OSError when there is no room for them."""
        pairs: list[tuple[int, int]] = []
        try:
            while len(pairs) < COUNT:
                pairs.append(_open_pipe())
        except OSError:
            _close_all(descriptor for pair in pairs for descriptor in pair)
            raise
        return cls(pairs)

    @property
    def source(self) -> int:
        """Where the output of the present job is read."""
        return self.sources[self.current]

    def turn(self) -> int:
        """Let the next job have the other pipe; return which that is."""
        self.current = (self.current + 1) % COUNT
        return self.current

    def hold(self) -> None:
        """Note that the present job has left processes, which may write into its pipe at any time."""
        self._held.add(self.current)

    def renew(self) -> int | None:
        """Replace the present job's pipe if something that an earlier job left may hold it.

        Returns the new sink, for the worker: whoever has handed it over closes it. None: the pipe is as good as new.
        Raises OSError when there is no room for another.
        """
        if self.current not in self._held:
            return None
        source, sink = _open_pipe()
        self._held.remove(self.current)
        self.outlets.add(self.source)
        self.sources[self.current] = source
        return sink

    def discard(self, source: int) -> None:
        """Close one that was replaced."""
        self.outlets.remove(source)
        os.close(source)

    def read(self, source: int) -> bytes | None:
        """Return what is there; None when there is nothing now, nothing at all at the end of the file."""
        try:
            return os.read(source, PIPE_BYTES)
        except BlockingIOError:
            return None

    def close_sinks(self) -> None:
        """Close the supervisor's copies of the worker's ends: else it would never read an end of file."""
        _close_all(self.sinks)
        self.sinks = []

    def close(self) -> None:
        """Close what is open."""
        self.close_sinks()
        _close_all((*self.sources, *self.outlets))


def _open_pipe() -> tuple[int, int]:
    source, sink = os.pipe2(os.O_CLOEXEC)
    # Of the reading end alone: each end of a pipe is a description of its own.
    os.set_blocking(source, False)
    return source, sink


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
