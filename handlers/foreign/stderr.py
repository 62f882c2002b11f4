"""What a program writes to stderr: lines for the job's log, and lines that tell its progress."""

import os
import re
from typing import Final

from jobworker.handlers.context import Job

#: A line that is longer is passed on in parts.
MAX_LINE_BYTES: Final = 64 * 1024
#: How much of the end is kept, for the message of a failure.
TAIL_BYTES: Final = 4_000
TAIL_LINES: Final = 10

_MARK: Final = b"::progress "
#: `::progress 0.5 message`; `-` in place of the number where there is none.
_PROGRESS: Final = re.compile(
    rb"::progress (?:(?P<fraction>0(?:\.\d*)?|\.\d+|1(?:\.0*)?)|-)(?: (?P<message>.*?))?\r?\n"
)
_STDERR: Final = 2


class StderrLines:
    """Passes a program's stderr on to our own, line by line as it comes, and its progress to the job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rest = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if newline:
            self._pass_on(lines + newline)
        if len(self._rest) > MAX_LINE_BYTES:
            self._pass_on(self._rest)
            self._rest = b""

    def end(self) -> None:
        """Pass on what has no end of line; what others write next begins on a line of its own."""
        if self._rest or self._tail[-1:] not in (b"", b"\n"):
            self.feed(b"\n")

    def last_lines(self) -> str:
        """Return the end of what was passed on."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _pass_on(self, data: bytes) -> None:
        if _MARK in data:
            data = b"".join(line for line in data.splitlines(keepends=True) if not self._told_progress(line))
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        view = memoryview(data)
        while view:
            view = view[os.write(_STDERR, view) :]

    def _told_progress(self, line: bytes) -> bool:
        found = _PROGRESS.fullmatch(line)
        if found is None:
            return False
        fraction, message = found["fraction"], found["message"] or b""
        self._job.progress(None if fraction is None else float(fraction), message.decode(errors="replace"))
        return True
