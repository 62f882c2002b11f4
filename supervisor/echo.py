"""What jobs print, in the supervisor's own log: some lines a second, each with its job's id."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from jobworker.store.claims import Attempted

log = structlog.get_logger("jobworker.output")

#: A line takes about 50 µs: jobs that print a flood must not hold up deadlines. All of it is in the jobs' own logs.
LINES_PER_SECOND: Final = 200
LINE_CHARACTERS: Final = 2000


class Echo:
    """Owns the beginnings of lines, and how many lines are still free in this second.

    Told:   what else lines of an attempt say; an attempt has written, an attempt has ended (by the output).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beginnings: dict[Attempted, bytes] = {}
        self._logged: dict[Attempted, Mapping[str, str]] = {}
        self._second = 0
        self._written = 0
        self._left_out = 0

    def begin(self, attempted: Attempted, logged: Mapping[str, str]) -> None:
        """Let each line of an attempt say this too."""
        self._logged[attempted] = logged

    def write(self, attempted: Attempted, data: bytes) -> None:
        """Log the lines that are complete."""
        *lines, rest = (self._beginnings.pop(attempted, b"") + data).split(b"\n")
        if rest:
            self._beginnings[attempted] = rest[-4 * LINE_CHARACTERS :]
        for line in lines:
            self._log(attempted, line)

    def end(self, attempted: Attempted) -> None:
        """Log a last line that has no end."""
        rest = self._beginnings.pop(attempted, b"")
        if rest:
            self._log(attempted, rest)
        self._logged.pop(attempted, None)

    def _log(self, attempted: Attempted, line: bytes) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._written = 0
            self._confess()
        if self._written >= LINES_PER_SECOND:
            self._left_out += 1
            return
        self._written += 1
        log.info("output", job=attempted.id, line=_printable(line), **self._logged.get(attempted, {}))

    def _confess(self) -> None:
        if self._left_out:
            log.info("output left out here; it is in the logs of its jobs", lines=self._left_out)
            self._left_out = 0


def _printable(line: bytes) -> str:
    """Return the line without what a terminal would act on."""
    text = line[: 4 * LINE_CHARACTERS].decode(errors="replace")[:LINE_CHARACTERS].rstrip()
    return "".join(character if character.isprintable() or character == "\t" else "\ufffd" for character in text)
