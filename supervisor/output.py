"""The output and the progress of the attempts that run: read from their workers, kept until Redis has them."""

import asyncio
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
import structlog

from jobworker.store.claims import Attempted, Settle
from jobworker.store.limits import MAX_BATCH_JOBS, MIB
from jobworker.store.report import AttemptReport
from jobworker.supervisor.capture import Capture
from jobworker.supervisor.echo import Echo
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.mailbox import DONT_WAIT
from jobworker.supervisor.messages import FreshPipe, encode
from jobworker.supervisor.pipes import NO_PIPE
from jobworker.supervisor.process import WorkerProcess

log = structlog.get_logger("jobworker.output")

#: After less than this a pipe is left alone for a while: a job that prints line by line must not wake us at each line.
#: The pause doubles up to the longest while it is little, and is short again after more: then the pipe may soon be
#: full, and the job waiting.
SMALL_BYTES: Final = 16 * 1024
FIRST_PAUSE_SECONDS: Final = 0.001
LONGEST_PAUSE_SECONDS: Final = 0.02
#: Of output in one call to Redis: it takes about a millisecond.
MAX_REPORT_BYTES: Final = MIB
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Output:
    """Owns what attempts have written and Redis does not have.

    Told:   a worker was forked, it is dead; an attempt begins, has a new progress, has ended (by the desk);
            what Redis has taken (by the reporter).
    Tells:  the reporter, that there is something; the echo, each piece of output.
    """

    def __init__(self, loop: SupervisorLoop, echo: Echo | None, *, keep: bool = True) -> None:
        self._loop = loop
        self._echo = echo
        self._keep = keep
        #: Redis's clock; each session sets its own.
        self.clock_ms: Callable[[], int] = int
        #: There is something to report.
        self.waiting = asyncio.Event()
        self._attempts: dict[int, Attempted] = {}
        #: Of those attempts that have written anything, by their worker's pid; who waits longest comes first.
        self._captures: dict[int, Capture] = {}
        #: By the pipe's descriptor; none: the first.
        self._pauses: dict[int, float] = {}

    def watch(self, worker: WorkerProcess) -> None:
        """Read what the worker's jobs write, from now on."""
        for source in worker.pipes.sources:
            self._listen(worker, source)

    def unwatch(self, worker: WorkerProcess) -> None:
        """Read what a dead worker's job has written to its end, and stop listening; its board may be closed then."""
        self._take_in(worker, worker.pipes.source)
        if (capture := self._captures.get(worker.pid)) is not None:
            capture.seal()
        for source in (*worker.pipes.sources, *worker.pipes.outlets):
            self._loop.remove_reader(source)
            self._pauses.pop(source, None)

    def begin(self, worker: WorkerProcess, attempted: Attempted, logged: Mapping[str, str] = NOTHING) -> int:
        """Let an attempt write; return into which of its worker's pipes, or NO_PIPE.

        `logged`: what else each line of it that is logged says.

        Raises MailboxClosed; BlockingIOError when the worker has no room for a message.
        """
        self._attempts[worker.pid] = attempted
        if self._echo is not None and logged:
            self._echo.begin(attempted, logged)
        if not self._keep:
            return NO_PIPE
        which = worker.pipes.turn()
        self._renew(worker)
        return which

    def progressed(self, worker: WorkerProcess) -> None:
        """Have the board looked at: the worker has written a progress on it."""
        if (capture := self._capture(worker)) is not None:
            capture.nudged()
            self.waiting.set()

    def end(self, worker: WorkerProcess, settle: Settle) -> Settle:
        """Return the attempt's settle, with what Redis is not known to have of its output and progress."""
        if self._keep and not worker.reaped:
            self._take_in(worker, worker.pipes.source)
        attempted = self._attempts.pop(worker.pid, None)
        capture = self._captures.pop(worker.pid, None)
        if self._echo is not None and attempted is not None:
            self._echo.end(attempted)
        if capture is None:
            return settle
        return msgspec.structs.replace(settle, progress=capture.last_progress(), log=capture.chunks)

    def reports(self) -> list[AttemptReport]:
        """Return what Redis is to be told, at most what one call takes."""
        self.waiting.clear()
        reports: list[AttemptReport] = []
        size_bytes = 0
        for pid, capture in list(self._captures.items()):
            if len(reports) == MAX_BATCH_JOBS or size_bytes > MAX_REPORT_BYTES:
                self.waiting.set()
                break
            if (report := capture.report()) is not None:
                reports.append(report)
                size_bytes += report.size_bytes
            if capture.looks_again:
                self.waiting.set()
            # Behind those that are left out now.
            self._captures[pid] = self._captures.pop(pid)
        return reports

    def taken(self, reports: list[AttemptReport]) -> None:
        """Forget what Redis has."""
        told = {Attempted(report.id, report.token): report for report in reports}
        for capture in self._captures.values():
            if (report := told.get(capture.attempted)) is not None:
                capture.taken(report)

    def failed(self) -> None:
        """Report again: Redis did not answer, and may have it or not."""
        for capture in self._captures.values():
            capture.failed()
        self.waiting.set()

    def _renew(self, worker: WorkerProcess) -> None:
        try:
            sink = worker.pipes.renew()
        except OSError as error:
            log.warning("a pipe that a process may hold cannot be replaced", worker=worker.pid, error=error.strerror)
            return
        if sink is None:
            return
        try:
            worker.mailbox.send(encode(FreshPipe(worker.pipes.current)), DONT_WAIT, sink)
        finally:
            os.close(sink)
        self._listen(worker, worker.pipes.source)

    def _listen(self, worker: WorkerProcess, source: int) -> None:
        if not worker.reaped:
            self._loop.add_reader(source, self._read, worker, source)

    def _read(self, worker: WorkerProcess, source: int) -> None:
        data = self._take_in(worker, source)
        if data is None:
            return
        if len(data) >= SMALL_BYTES:
            self._pauses.pop(source, None)
            return
        self._loop.remove_reader(source)
        if data:
            pause_seconds = self._pauses.get(source, FIRST_PAUSE_SECONDS)
            self._pauses[source] = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            self._loop.call_later(pause_seconds, self._listen, worker, source)
            return
        # At the end of the file for good: nobody holds the other end.
        self._pauses.pop(source, None)
        if source in worker.pipes.outlets:
            worker.pipes.discard(source)

    def _take_in(self, worker: WorkerProcess, source: int) -> bytes | None:
        """Read a pipe once, which is all that it holds. What comes after its job's end is nobody's."""
        data = worker.pipes.read(source)
        if data and source == worker.pipes.source and (capture := self._capture(worker)) is not None:
            capture.add(self.clock_ms(), data)
            if self._echo is not None:
                self._echo.write(capture.attempted, data)
            self.waiting.set()
        return data

    def _capture(self, worker: WorkerProcess) -> Capture | None:
        """Return the present attempt's, made when there is first something for it."""
        attempted = self._attempts.get(worker.pid)
        if attempted is None:
            return None
        return self._captures.setdefault(worker.pid, Capture(attempted, worker.board))
