"""What one attempt has for Redis: its progress, and of its output the beginning and the end."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from jobworker.store.claims import Attempted
from jobworker.store.report import AttemptReport, LogChunk, Progress
from jobworker.supervisor.board import Board

#: What a log keeps of its job: of one attempt no more is needed.
HEAD_BYTES: Final = 64 * 1024
TAIL_BYTES: Final = 192 * 1024
CHUNK_BYTES: Final = 32 * 1024
#: How often the board is looked at after a nudge: what is written between the first look and the next nudge is seen by
#: the second.
LOOKS: Final = 2


class Capture:
    """Owns what one attempt has for Redis."""

    def __init__(self, attempted: Attempted, board: Board) -> None:
        self.attempted = attempted
        self._read_progress = board.read_progress
        self._position = 0
        self._head: deque[LogChunk] = deque()
        self._tail: deque[LogChunk] = deque()
        self._tail_bytes = 0
        self._looks = 0
        self._has_progress = False
        self._told: Progress | None = None

    @property
    def chunks(self) -> tuple[LogChunk, ...]:
        """The output that Redis is not known to have, in order."""
        return (*self._head, *self._tail)

    @property
    def looks_again(self) -> bool:
        """Whether the board is to be looked at once more."""
        return self._looks > 0

    def add(self, read_ms: int, data: bytes) -> None:
        """Take in what was read at once; a flood loses its middle."""
        for start in range(0, len(data), CHUNK_BYTES):
            self._add(LogChunk(self._position, read_ms, data[start : start + CHUNK_BYTES]))
        while (surplus := self._tail_bytes - TAIL_BYTES) > 0:
            oldest = self._tail.popleft()
            if len(oldest.data) > surplus:
                rest = LogChunk(oldest.at + surplus, oldest.read_ms, oldest.data[surplus:])
                self._tail.appendleft(rest)
            self._tail_bytes -= min(len(oldest.data), surplus)

    def nudged(self) -> None:
        """Look at the board: there is a new progress."""
        self._has_progress = True
        self._looks = LOOKS

    def seal(self) -> None:
        """Look at the board for the last time: it goes with its worker, whose attempt is in hand until the burial."""
        last = self._read_progress()
        self._read_progress = lambda: last

    def failed(self) -> None:
        """Report anew: Redis may have the last report or not."""
        if self._has_progress:
            self._looks = LOOKS

    def report(self) -> AttemptReport | None:
        """Return what is new; None when there is nothing."""
        progress = self._new_progress()
        chunks = self.chunks
        if progress is None and not chunks:
            return None
        return AttemptReport(self.attempted.id, self.attempted.token, progress, chunks)

    def last_progress(self) -> Progress | None:
        """Return what the attempt has told last, unless Redis has it; the attempt has ended."""
        return self._unknown_progress() if self._has_progress else None

    def taken(self, report: AttemptReport) -> None:
        """Forget what Redis has."""
        self._told = report.progress or self._told
        self._forget(report.chunks)

    def _forget(self, chunks: Iterable[LogChunk]) -> None:
        end = max((chunk.at + len(chunk.data) for chunk in chunks), default=0)
        for waiting in (self._head, self._tail):
            while waiting and waiting[0].at < end:
                waiting.popleft()
        self._tail_bytes = sum(len(chunk.data) for chunk in self._tail)

    def _new_progress(self) -> Progress | None:
        if not self._looks:
            return None
        self._looks -= 1
        return self._unknown_progress()

    def _unknown_progress(self) -> Progress | None:
        found = self._read_progress()
        progress = None if found is None else Progress(*found)
        return None if progress == self._told else progress

    def _add(self, chunk: LogChunk) -> None:
        if self._position < HEAD_BYTES:
            self._head.append(chunk)
        else:
            self._tail.append(chunk)
            self._tail_bytes += len(chunk.data)
        self._position += len(chunk.data)
