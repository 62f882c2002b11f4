"""The process table: workers that are made up, with a mind that does what the payload of each job says."""

import contextvars
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages
from jobworker.supervisor.board import Board
from jobworker.supervisor.mailbox import MailboxClosed
from jobworker.supervisor.messages import Assignment, Hello, Report
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.stack import NO_HANDLER, Stack
from tests.simulation.story import Story
from tests.simulation.virtual_time import Host, SimulatedLoop

#: An ordinary type, and one of which two attempts must never run at once.
WORK, ONLY = "work", "only"
HELLO: Final = Hello(
    (HandlerEntry(WORK, {}, HandlerDefaults()), HandlerEntry(ONLY, {}, HandlerDefaults(exclusive=True))), "digest"
)
#: By how long the kernel is late at most.
LATE_SECONDS: Final = 0.02


class Part(msgspec.Struct, frozen=True):
    """What an attempt does: `ok`, `raise` or `crash` after some seconds, or `hang` for ever."""

    does: str
    seconds: float = 0.0


class Run(msgspec.Struct):
    """One execution of a job's handler, as an outsider sees it."""

    job: str
    type: str
    token: int
    host: str
    began_at: float
    timeout_seconds: float | None
    ended_at: float | None = None
    #: How it ended: `ok`, `raise`, `crash`, `killed`.
    end: str = ""


class Pipes:
    """Plays the pipes of a worker that prints nothing."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self.sources = [next(numbers), next(numbers)]
        self.outlets: set[int] = set()
        self.current = 0

    def turn(self) -> int:
        self.current = 1 - self.current
        return self.current

    @property
    def source(self) -> int:
        return self.sources[self.current]

    def renew(self) -> None:
        """None of them is ever held."""

    def read(self, _source: int) -> bytes | None:
        return None


class SimulatedWorker(WorkerProcess):
    """A worker and its mind."""

    def __init__(self, table: "ProcessTable", niceness_among: int) -> None:
        numbers = table.loop.numbers
        self.pid = next(numbers)
        self.pidfd = next(numbers)
        self.started_ns = 0
        self.board = Board()
        self.pipes: Any = Pipes(numbers)
        self.mailbox: Any = self
        self.stage = Stage.STARTING
        self.release = self.slot = self.jobs = 0
        self.module = ""
        self.intent = None
        self.reaped = False
        self.remains = None
        self.last_words = ""
        self.among = niceness_among
        self._fd = next(numbers)
        self._table = table
        self._to_worker: deque[bytes] = deque()
        self._to_supervisor: deque[bytes] = deque()
        self._run: Run | None = None
        self._status: int | None = None
        self._dismissed = False
        self._stopped = False
        self._held: list[Callable[[], object]] = []
        table.loop.call_later(table.random.uniform(0.01, 0.3), self._say, HELLO)

    # What the supervisor does to it.

    def fileno(self) -> int:
        return self._fd

    def send(self, frame: bytes, _flags: int = 0) -> None:
        if self._status is not None:
            raise MailboxClosed
        self._to_worker.append(frame)
        self._table.loop.call_later(self._table.lateness(), self._look)

    def receive(self) -> Any:
        while self._to_supervisor:
            yield messages.decode(self._to_supervisor.popleft())

    def recall(self) -> list[bytes]:
        frames, self._to_worker = list(self._to_worker), deque()
        return frames

    def dismiss(self) -> None:
        self._dismissed = True
        self._table.loop.call_later(self._table.lateness(), self._look)

    def ask_stack(self, token: int) -> str:
        return NO_HANDLER

    def read_stack(self, token: int, why_none: str = "") -> Stack:
        return Stack(missing=why_none)

    def reap(self) -> int | None:
        if self._status is None:
            return None
        self.reaped = True
        return self._status

    def close(self) -> None:
        self.board.close()

    # What happens to it.

    @property
    def lives(self) -> bool:
        return self._status is None

    def die(self, status: int, end: str = "killed") -> None:
        """End, with a wait status; what has been sent before stays in the mailbox."""
        if self._status is not None:
            return
        self._status = status
        self._end_run(end)
        self._table.died(self)

    def stop(self) -> None:
        """As SIGSTOP does."""
        self._stopped = True

    def go_on(self) -> None:
        """As SIGCONT does."""
        self._stopped = False
        held, self._held = self._held, []
        for action in held:
            self._table.loop.call_soon(action)

    def _end_run(self, end: str) -> None:
        if self._run is not None:
            self._run.ended_at, self._run.end = self._table.loop.time(), end
            self._table.story.tell(self._run.host, f"{self._run.job} {self._run.token} ends: {end}")
            self._run = None

    # Its mind.

    def _look(self) -> None:
        if self._stopped:
            self._held.append(self._look)
        if self._stopped or self._status is not None or self._run is not None:
            return
        if self._to_worker:
            assignment = messages.decode(self._to_worker.popleft())
            assert isinstance(assignment, Assignment)
            self._begin(assignment)
        elif self._dismissed:
            self.die(0)

    def _begin(self, assignment: Assignment) -> None:
        token, table = assignment.token, self._table
        if self.board.fence_ns <= table.boottime_ns():
            self._say(Report(token, Outcome.SHUTDOWN, reason="not started"))
            return
        self.board.started_ns = round(table.loop.time() * 1e9)
        run = Run(assignment.id, assignment.type, token, table.host.name, table.loop.time(), assignment.timeout_seconds)
        self._run = run
        table.runs.append(run)
        table.story.tell(table.host.name, f"{assignment.id} {token} begins in {self.pid}")
        parts = msgspec.json.decode(assignment.payload, type=list[Part])
        part = parts[min(assignment.attempt, len(parts)) - 1]
        if part.does != "hang":
            table.loop.call_later(part.seconds, self._finish, run, part.does)

    def _finish(self, run: Run, does: str) -> None:
        if self._stopped:
            self._held.append(partial(self._finish, run, does))
        if self._stopped or self._run is not run:
            return
        if does == "crash":
            self.die(signal.SIGSEGV, "crash")
            return
        self._end_run(does)
        outcome = Outcome.SUCCEEDED if does == "ok" else Outcome.RAISED
        self._say(Report(run.token, outcome, result=str(run.token).encode() if does == "ok" else b""))
        self._table.loop.call_soon(self._look)

    def _say(self, message: messages.Message) -> None:
        if self._status is None:
            self._to_supervisor.append(messages.encode(message))
            self._table.loop.readable(self._fd)


class ProcessTable:
    """Owns the workers of one life of a supervisor, and plays its killer."""

    def __init__(self, host: Host, loop: SimulatedLoop, random: Random, story: Story, runs: list[Run]) -> None:
        self.host = host
        self.loop = loop
        self.random = random
        self.story = story
        self.runs = runs
        self.workers: dict[int, SimulatedWorker] = {}
        self._killing: set[int] = set()

    def boottime_ns(self) -> int:
        return round(self.loop.time() * 1e9) + self.host.boot_offset_ns

    def lateness(self) -> float:
        return self.random.uniform(0.0, LATE_SECONDS)

    def fork(self, among: int) -> WorkerProcess:
        if self.host.dead:
            raise OSError(11, os.strerror(11))
        # Workers go on while their supervisor is stopped: their mind is on no host that can be.
        worker: SimulatedWorker = run_nowhere(SimulatedWorker, self, among)
        self.workers[worker.pid] = worker
        return worker

    def died(self, worker: SimulatedWorker) -> None:
        self._killing.discard(worker.pid)
        self.loop.readable(worker.pidfd)

    def kill_all(self) -> None:
        """As PDEATHSIG does."""
        for worker in self.workers.values():
            worker.die(signal.SIGKILL)

    # The killer.

    @property
    def busy(self) -> bool:
        return bool(self._killing)

    async def run(self) -> None:
        """Nothing to do between kills."""

    def kill(self, pid: int) -> None:
        worker = self.workers[pid]
        if worker.lives:
            self._killing.add(pid)
            run_nowhere(self.loop.call_later, self.random.uniform(0.0005, 0.01), worker.die, signal.SIGKILL)

    def kill_now(self, pids: Iterable[int]) -> None:
        for pid in pids:
            self.workers[pid].die(signal.SIGKILL)

    async def end_orphans(self, _ours: object) -> None:
        """Nobody leaves any."""


def run_nowhere(action: Any, *arguments: Any) -> Any:
    """Call something so that what it begins is on no host."""
    return contextvars.Context().run(action, *arguments)
