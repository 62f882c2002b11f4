"""The two pipes through which a worker's jobs write, stdout and stderr together; the jobs take turns at them.

What is in a pipe when a job's report is read was written by that job. What something that it left behind writes later
does not land with the next job, which has the other pipe.
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
    """The supervisor reads from the sources what the worker's jobs write into the sinks."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self.sources, self.sinks = map(list, zip(*pairs, strict=True))
        #: Which one the present job writes into.
        self.current = 0

    @classmethod
    def open(cls) -> Self:
        """Make the pipes, close-on-exec. Raises OSError when there is no room for them."""
        pairs: list[tuple[int, int]] = []
        try:
            while len(pairs) < COUNT:
                pairs.append(os.pipe2(os.O_CLOEXEC))
        except OSError:
            _close_all(descriptor for pair in pairs for descriptor in pair)
            raise
        for source, _ in pairs:
            # Of the reading end alone: each end of a pipe is a description of its own.
            os.set_blocking(source, False)
        return cls(pairs)

    def turn(self) -> int:
        """Let the next job have the other pipe; return which that is."""
        self.current = (self.current + 1) % COUNT
        return self.current

    def read(self, which: int) -> bytes | None:
        """Return what is there; None when there is nothing now, nothing at all at the end of the file."""
        try:
            return os.read(self.sources[which], PIPE_BYTES)
        except BlockingIOError:
            return None

    def close_sinks(self) -> None:
        """Close the supervisor's copies of the worker's ends: else it would never read an end of file."""
        _close_all(self.sinks)
        self.sinks = []

    def close(self) -> None:
        """Close what is open."""
        self.close_sinks()
        _close_all(self.sources)


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
