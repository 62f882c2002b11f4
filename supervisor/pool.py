"""The worker processes: how many there are, which are idle, and what replaces one that ends."""

import os
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec
import structlog

from jobworker.store.catalogue import HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages
from jobworker.supervisor.errors import WorkerStartFailed
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.mailbox import BadFrame, MailboxClosed
from jobworker.supervisor.messages import Hello, Importing, LoadFailure, Progressed, Report
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.procfs import SESSION, read_stat
from jobworker.supervisor.receipts import Cpu
from jobworker.supervisor.tree import Killer
from jobworker.supervisor.verdict import Intent, judge

log = structlog.get_logger("jobworker.pool")

#: How long a dismissed worker may take to end by itself.
DISMISSAL_SECONDS: Final = 2.0
#: How long a worker that is being killed may take to die before another takes its place all the same.
REPLACE_SECONDS: Final = 1.0
#: The wait after a worker that ended before its first job; doubles up to the longest.
FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 30.0
#: After this the log says that a worker is still starting; then after twice the time, and so on.
SLOW_START_SECONDS: Final = 5.0


class Listener(Protocol):
    """Whom the pool tells."""

    def forked(self, worker: WorkerProcess) -> None:
        """Hear that there is a new worker."""

    def became_idle(self) -> None:
        """Hear that a worker waits for a job."""

    def reported(self, worker: WorkerProcess, report: Report) -> None:
        """Hear a worker's report on its attempt."""

    def progressed(self, worker: WorkerProcess, token: int) -> None:
        """Hear that an attempt has a new progress."""

    def orphan_died(self, session: int, cpu: Cpu) -> None:
        """Hear that a process that a dead worker has left is dead: it may have left others.

        `session`: the pid of that worker, unless the process had left its session.
        """

    def died(self, worker: WorkerProcess, status: int, *, started: bool) -> None:
        """Hear that a worker is dead; `started`: it had read its last assignment and not reported on it."""


class Pool:
    """Owns the worker processes.

    Told:   a worker wrote, a worker died (by the loop); kill it, retire it (by the desk).
    Tells:  the listener, who is idle, what was reported, who died.
    Ends:   when every worker has been reaped, after `close`.
    """

    def __init__(
        self,
        size: int,
        spares: int,
        fork: Callable[[], WorkerProcess],
        killer: Killer,
        loop: SupervisorLoop,
        *,
        slow_start_seconds: float = SLOW_START_SECONDS,
    ) -> None:
        self.workers: dict[int, WorkerProcess] = {}
        self.catalogue: dict[str, HandlerEntry] = {}
        #: The first worker's hello: until it is known, there is no other worker.
        self.first_hello = loop.create_future()
        self.listener: Listener
        #: How many serve when all is well, spares not counted.
        self.size = size
        #: How many died that nobody had asked to end.
        self.restarts = 0
        self._spares = spares
        self._fork = fork
        self._killer = killer
        self._loop = loop
        self._slow_start_seconds = slow_start_seconds
        self._digest = ""
        self._fence_ns = 0
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._held_back = False
        self._has_forked = False
        self._closing = False
        self._is_trimming = False
        self._empty = loop.create_future()

    def start(self) -> None:
        """Fork the first worker, whose start decides whether the handlers can be used."""
        self._loop.when_single_threaded(self._fork_one)

    def close(self) -> None:
        """Let idle workers end, and fork no more."""
        self._closing = True
        for worker in list(self.workers.values()):
            if worker.stage in (Stage.STARTING, Stage.SPARE, Stage.IDLE):
                self._retire(worker)
        self._check_empty()

    def resize(self, size: int) -> None:
        """Let `size` workers serve: more are forked; fewer remain as idle ones go, and busy ones after their job."""
        if size == self.size:
            return
        log.info("resized", workers=size, before=self.size)
        self.size = size
        self._trim()
        self._fill()

    async def wait_until_empty(self) -> None:
        """Return when every worker has been reaped."""
        await self._empty

    def kill_all_now(self) -> None:
        """Kill every tree without waiting for the loop: the supervisor ends."""
        self._closing = True
        self._killer.kill_now(self.workers)

    def idle_workers(self) -> Iterator[WorkerProcess]:
        """Yield the workers that wait for a job."""
        return (worker for worker in self.workers.values() if worker.stage is Stage.IDLE)

    def set_fence(self, boottime_ns: int) -> None:
        """Let no attempt begin after this time, however long ago it was handed out."""
        self._fence_ns = boottime_ns
        for worker in self.workers.values():
            worker.board.fence_ns = boottime_ns

    def kill(self, worker: WorkerProcess, intent: Intent) -> None:
        """Kill a worker with all that its job has started; the first intent stands."""
        if worker.intent is not None or worker.reaped:
            return
        worker.intent = intent
        worker.stage = Stage.ENDING
        self._killer.kill(worker.pid)
        self._promote()
        # If it cannot be killed, it is replaced all the same.
        self._loop.call_later(REPLACE_SECONDS, self._replace)

    def reap_orphans(self) -> None:
        """Reap children that are no workers: what dead workers left and we adopted.

        Only peeks first: a blanket wait would take the status of a worker away from its own pidfd.
        """
        while (child := _peek_child()) is not None:
            if child in self.workers:
                self._reap(self.workers[child])
            else:
                self.listener.orphan_died(*_reap_orphan(child))

    def read(self, worker: WorkerProcess) -> None:
        """Take in what a worker has written."""
        try:
            for message in _messages(worker):
                self._hear(worker, message)
        except (BadFrame, MailboxClosed):
            self.kill(worker, Intent(Outcome.CRASHED, "for writing into its mailbox what is no report"))
            # What is closed stays readable, and would call us without end until the worker is dead.
            self._loop.remove_reader(worker.mailbox.fileno())

    def _hear(self, worker: WorkerProcess, message: messages.Message) -> None:
        match message:
            case Report():
                self._hear_report(worker, message)
            case Hello():
                self._hear_hello(worker, message)
            case Progressed():
                self.listener.progressed(worker, message.token)
            case Importing():
                worker.module = message.module
            case LoadFailure():
                self._hear_failure(worker, message)
            case _:
                log.error("a worker wrote an assignment", worker=worker.pid)

    def _hear_report(self, worker: WorkerProcess, report: Report) -> None:
        worker.jobs += 1
        self._wait_seconds = FIRST_WAIT_SECONDS
        if worker.stage is Stage.BUSY:
            worker.stage = Stage.IDLE
        self.listener.reported(worker, report)
        if report.retiring and worker.stage is Stage.IDLE:
            log.info("worker is replaced", worker=worker.pid, why=report.retiring)
            self._retire(worker)
            self._fill()
        elif worker.stage is Stage.IDLE and (self._closing or self._surplus()):
            self._retire(worker)
        elif worker.stage is Stage.IDLE:
            self.listener.became_idle()

    def _hear_hello(self, worker: WorkerProcess, hello: Hello) -> None:
        if not self.first_hello.done():
            self._digest = hello.digest
            self.catalogue = {entry.type: entry for entry in hello.entries}
            self.first_hello.set_result(hello)
        elif hello.digest != self._digest:
            log.warning("handler code on disk has changed; a new worker is not used until the supervisor is restarted")
            self._retire(worker)
            self._hold_back()
            return
        if worker.stage is Stage.STARTING:
            worker.stage = Stage.SPARE
            log.debug("worker is ready", worker=worker.pid)
        self._fill()

    def _hear_failure(self, worker: WorkerProcess, failure: LoadFailure) -> None:
        worker.stage = Stage.ENDING
        if not self.first_hello.done():
            text = f"{failure.traceback}\n{failure.message}" if failure.traceback else failure.message
            self.first_hello.set_exception(WorkerStartFailed(text))
        else:
            log.error("a new worker cannot load the handlers", error=failure.message, traceback=failure.traceback)
            self._hold_back()

    def _fill(self) -> None:
        """Put spares to work where a worker is missing, and fork what is missing of both."""
        self._promote()
        # A fork takes milliseconds, by which what is being killed would die later. Its death calls us again.
        if not self._killer.busy:
            self._replace()

    def _replace(self) -> None:
        # Without a catalogue the first worker has not become ready, or never will.
        if self.catalogue and not self._closing:
            self._loop.when_single_threaded(self._fork_missing)

    def _promote(self) -> None:
        if self._closing:
            return
        serving = self._count(Stage.IDLE, Stage.BUSY)
        for worker in self.workers.values():
            if serving < self.size and worker.stage is Stage.SPARE:
                worker.stage = Stage.IDLE
                serving += 1
                self.listener.became_idle()

    def _count(self, *stages: Stage) -> int:
        return sum(worker.stage in stages for worker in self.workers.values())

    def _surplus(self) -> int:
        """How many more serve than are wanted."""
        # Asked after each job: nothing is counted unless the last resize left busy workers too many.
        surplus = max(self._count(Stage.IDLE, Stage.BUSY) - self.size, 0) if self._is_trimming else 0
        self._is_trimming = surplus > 0
        return surplus

    def _trim(self) -> None:
        """Dismiss what is too many and has no job; what is too many and has one goes when it has ended that."""
        self._is_trimming = True
        idle = list(self.idle_workers())
        waiting = [worker for worker in self.workers.values() if worker.stage in (Stage.STARTING, Stage.SPARE)]
        to_come = max(self.size - self._count(Stage.IDLE, Stage.BUSY), 0)
        for worker in (*idle[: self._surplus()], *waiting[to_come + self._spares :]):
            self._retire(worker)

    def _fork_missing(self) -> None:
        living = sum(worker.stage is not Stage.ENDING for worker in self.workers.values())
        if living < self.size + self._spares and not self._held_back and not self._has_forked:
            self._fork_one()
            # One a turn of the loop, however many ask for it: a deadline may be due.
            self._has_forked = True
            self._loop.call_soon(self._fork_on)

    def _fork_on(self) -> None:
        self._has_forked = False
        self._fill()

    def _fork_one(self) -> None:
        if self._closing:
            return
        try:
            worker = self._fork()
        except OSError as error:
            self._start_failed(f"it could not be forked: {error.strerror}")
            return
        worker.board.fence_ns = self._fence_ns
        self.workers[worker.pid] = worker
        self._loop.add_reader(worker.mailbox.fileno(), self.read, worker)
        self._loop.add_reader(worker.pidfd, self._reap, worker)
        self.listener.forked(worker)
        self._loop.call_later(self._slow_start_seconds, self._look_at_start, worker, self._slow_start_seconds)

    def _look_at_start(self, worker: WorkerProcess, age_seconds: float) -> None:
        """Say which import it is that lasts, and again at twice the age."""
        if worker.stage is Stage.STARTING and not worker.reaped:
            log.warning("still importing handlers", worker=worker.pid, module=worker.module, seconds=age_seconds)
            self._loop.call_later(age_seconds, self._look_at_start, worker, 2 * age_seconds)

    def _retire(self, worker: WorkerProcess) -> None:
        worker.stage = Stage.ENDING
        worker.dismiss()
        self._loop.call_later(DISMISSAL_SECONDS, self._insist, worker)

    def _insist(self, worker: WorkerProcess) -> None:
        if not worker.reaped:
            self.kill(worker, Intent(Outcome.SHUTDOWN, "because it did not end when it was dismissed"))

    def _reap(self, worker: WorkerProcess) -> None:
        if worker.pid not in self.workers or (status := worker.reap()) is None:
            return
        # Its reports to the end, then what it has not read: only the frame in between may have started.
        self.read(worker)
        started = not worker.recall()
        self._loop.remove_reader(worker.mailbox.fileno())
        self._loop.remove_reader(worker.pidfd)
        del self.workers[worker.pid]
        if not _was_wanted(worker):
            self.restarts += 1
        if worker.stage in (Stage.STARTING, Stage.SPARE, Stage.IDLE) and not worker.jobs and not self._closing:
            self._start_failed(judge(status, worker.intent).message)
        self.listener.died(worker, status, started=started)
        worker.close()
        self._fill()
        self._check_empty()

    def _start_failed(self, why: str) -> None:
        if not self.first_hello.done():
            self.first_hello.set_exception(WorkerStartFailed(f"the first worker did not become ready: {why}"))
        elif self.catalogue:
            log.error("a new worker ended without having run a job", why=why, next_try_seconds=self._wait_seconds)
            self._hold_back()

    def _hold_back(self) -> None:
        """Brake a loop of crashes at start: fork nothing for a while, longer each time."""
        self._held_back = True
        self._loop.call_later(self._wait_seconds, self._release)
        self._wait_seconds = min(2 * self._wait_seconds, LONGEST_WAIT_SECONDS)

    def _release(self) -> None:
        self._held_back = False
        self._fill()

    def _check_empty(self) -> None:
        if self._closing and not self.workers and not self._empty.done():
            self._empty.set_result(None)


def _messages(worker: WorkerProcess) -> Iterator[messages.Message]:
    for frame in worker.mailbox.receive_waiting():
        try:
            message = messages.decode(frame)
        except (msgspec.DecodeError, ValueError) as error:
            raise BadFrame("a frame that is no message") from error
        yield message


def _was_wanted(worker: WorkerProcess) -> bool:
    """Whether a dead worker was dismissed, or killed for another reason than what it did itself."""
    if worker.intent is None:
        return worker.stage is Stage.ENDING
    return worker.intent.outcome is not Outcome.CRASHED


def _reap_orphan(pid: int) -> tuple[int, Cpu]:
    """Reap a dead child; return its session and what it used."""
    stat = read_stat(pid)
    _, _, usage = os.wait4(pid, os.WNOHANG)
    return (int(stat.split()[SESSION]) if stat else 0), Cpu.of(usage)


def _peek_child() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None
