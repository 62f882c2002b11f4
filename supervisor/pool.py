"""The worker processes: how many there are, which are idle, and what replaces one that ends."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.store.catalogue import HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages
from jobworker.supervisor.children import peek_child, reap_orphan
from jobworker.supervisor.crew import Crew
from jobworker.supervisor.deaths import Deaths
from jobworker.supervisor.errors import WorkerStartFailed
from jobworker.supervisor.listener import PoolListener
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.mailbox import BadFrame, MailboxClosed
from jobworker.supervisor.messages import Hello, Importing, LoadFailure, Progressed, Report
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.ration import Ration
from jobworker.supervisor.slots import Restarts, Slots
from jobworker.supervisor.starts import SLOW_START_SECONDS, Starts
from jobworker.supervisor.tree import Killer
from jobworker.supervisor.verdict import Intent, judge

log = structlog.get_logger("jobworker.pool")

#: Reaping takes the kernel up to a millisecond each.
REAPED_PER_TURN: Final = 8
#: How long a dismissed worker may take to end by itself.
DISMISSAL_SECONDS: Final = 2.0
#: How long a worker that is being killed may take to die before another takes its place all the same.
REPLACE_SECONDS: Final = 1.0


class Pool:
    """Owns the worker processes.

    Told:   a worker wrote, a worker died (by the loop); kill it (by the desk); resize, reload (by the supervisor).
    Tells:  the listener, who is idle, what was reported, who died.
    Ends:   when every worker has been reaped, after `close`.
    """

    def __init__(
        self,
        size: int,
        spares: int,
        fork: Callable[[int], WorkerProcess],
        killer: Killer,
        loop: SupervisorLoop,
        *,
        restarts: Restarts = Restarts(),  # noqa: B008 - it is frozen
        slow_start_seconds: float = SLOW_START_SECONDS,
        start_timeout_seconds: float = math.inf,
    ) -> None:
        self.crew = Crew(size, spares, Slots(restarts, loop.time))
        self.workers = self.crew.workers
        self.releases = self.crew.releases
        #: Set when there are other types, or workers wanted, than Redis was told.
        self.offer_changed = asyncio.Event()
        #: Connected by the supervisor: hears that a reload has succeeded or failed.
        self.reload_ended: Callable[[], object] = bool
        #: The first worker's hello: until it is known, there is no other worker.
        self.first_hello = loop.create_future()
        self.listener: PoolListener
        self.deaths = Deaths(self.crew, loop)
        self._fork = fork
        self._killer = killer
        self._loop = loop
        self._starts = Starts(
            loop,
            try_again=self._fill,
            is_slow=self._start_lasts,
            is_too_slow=self._start_hangs,
            slow_seconds=slow_start_seconds,
            timeout_seconds=start_timeout_seconds,
        )
        self._ration = Ration(loop, REAPED_PER_TURN)
        self._all_reaped = asyncio.Event()
        self._fence_ns = 0
        self._has_forked = False
        self._closing = False
        self._empty = loop.create_future()

    @property
    def size(self) -> int:
        """How many serve when all is well, spares not counted."""
        return self.crew.size

    @property
    def busy(self) -> int:
        """How many have a job."""
        return self.crew.count(Stage.BUSY)

    @property
    def catalogue(self) -> dict[str, HandlerEntry]:
        """What the workers can run, by type."""
        return self.releases.catalogue

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
        self.offer_changed.set()
        for worker in self.crew.resize(size):
            self._retire(worker)
        self._fill()

    def reload(self) -> None:
        """Try the handler code that is on disk now: if it loads, workers are replaced as they end their jobs.

        Asked again meanwhile, it starts over.
        """
        if not self.first_hello.done():
            # What is being imported may be half old by now.
            self.first_hello.add_done_callback(lambda _: self.reload())
            return
        if self._closing or not self.catalogue:
            return
        log.info("reloading the handlers")
        # What was on trial may have read half of an edit.
        for worker in self.crew.on_trial():
            self._retire(worker)
        self.releases.begin_trial(self._loop.time())
        self._starts.begin_anew()
        self._loop.when_single_threaded(self._fork_trial)

    async def wait_until_empty(self) -> None:
        """Return when every worker has been reaped."""
        await self._empty

    def kill_all_now(self) -> None:
        """Kill every tree without waiting for the loop: the supervisor ends."""
        self._closing = True
        self._killer.kill_now(self.workers)

    def is_behind(self, worker: WorkerProcess, kind: str) -> bool:
        """Whether a worker has older code, and the code in use can run a type that it cannot."""
        return not self.releases.uses(worker) and kind in self.catalogue

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
        while (child := peek_child()) is not None:
            if not self._ration.take():
                self._ration.next_turn(self.reap_orphans)
                return
            if child in self.workers:
                self._reap(self.workers[child])
            else:
                self.listener.orphan_died(*reap_orphan(child))
        self._all_reaped.set()

    async def until_reaped(self) -> None:
        """Return when nothing that is dead by now is left to be reaped."""
        self._all_reaped.clear()
        self.reap_orphans()
        await self._all_reaped.wait()

    def read(self, worker: WorkerProcess) -> None:
        """Take in what a worker has written."""
        try:
            for message in worker.receive():
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
        self._starts.take_brake_off()
        if worker.stage is Stage.BUSY:
            worker.stage = Stage.IDLE
        self.listener.reported(worker, report)
        if worker.stage is not Stage.IDLE:
            return
        if report.retiring:
            log.info("worker is replaced", worker=worker.pid, why=report.retiring)
        if report.retiring or self._closing or self.crew.has_run_its_last_job(worker, report.outcome):
            self._retire(worker)
            self._fill()
        else:
            self.listener.became_idle()

    def _hear_hello(self, worker: WorkerProcess, hello: Hello) -> None:
        if self.releases.tries(worker):
            self._take_up(hello)
        elif not self.releases.uses(worker):
            # Of a trial that has been given up.
            self._retire(worker)
        elif not self.releases.is_same(hello):
            self.releases.differs(hello)
            self._retire(worker)
            self._starts.hold_back()
            return
        else:
            self.releases.confirm()
        if worker.stage is Stage.STARTING:
            worker.stage = Stage.SPARE
            log.debug("worker is ready", worker=worker.pid)
        self._fill()

    def _take_up(self, hello: Hello) -> None:
        """Let the release on trial be the one in use; what waits with older code goes now, unless it serves."""
        self.releases.accept(hello)
        if not self.first_hello.done():
            self.first_hello.set_result(hello)
            return
        log.info("handlers are reloaded", types=sorted(self.catalogue))
        self.offer_changed.set()
        self.reload_ended()
        for worker in self.crew.outdated_waiting():
            self._retire(worker)
        self.releases.look_for_older(self.workers.values(), self._loop.time())

    def _start_lasts(self, worker: WorkerProcess) -> None:
        if self.releases.tries(worker):
            self.releases.trial_lasts(worker.module, self._loop.time())
            # Who is missing does not wait for it any more: what is on disk may have been mended.
            self._fill()

    def _start_hangs(self, worker: WorkerProcess, age_seconds: float) -> None:
        why = f"{worker.module} takes longer to import than supervisor.start_timeout lets it ({age_seconds:g} s)"
        is_trial = self.releases.tries(worker)
        self.kill(worker, Intent(Outcome.SHUTDOWN, f"because {why}"))
        self._fail_load(why, is_trial=is_trial)

    def _hear_failure(self, worker: WorkerProcess, failure: LoadFailure) -> None:
        worker.stage = Stage.ENDING
        self._fail_load(failure.message, failure.traceback, is_trial=self.releases.tries(worker))

    def _fail_load(self, why: str, traceback: str | None = None, *, is_trial: bool) -> None:
        """End a trial, or brake what only replaces: either way the workers that are there go on."""
        if not self.first_hello.done():
            self.first_hello.set_exception(WorkerStartFailed(f"{traceback}\n{why}" if traceback else why))
            return
        self.releases.refuse(why, traceback)
        if not is_trial:
            self._starts.hold_back()
            return
        for worker in self.crew.on_trial():
            self._retire(worker)
        self.releases.end_trial()
        self.reload_ended()
        self._fill()

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
        for worker in self.crew.to_replace():
            self._retire(worker)
        for _ in self.crew.promote():
            self.listener.became_idle()

    def _fork_missing(self) -> None:
        # What is on trial decides which code the next one gets, unless it takes long.
        if self._starts.held_back or self.releases.undecided or self._has_forked:
            return
        slot = self.crew.free_slot()
        if slot is not None:
            self._fork_one(slot)
            # One a turn of the loop, however many ask for it: a deadline may be due.
            self._has_forked = True
            self._loop.call_soon(self._fork_on)

    def _fork_on(self) -> None:
        self._has_forked = False
        self._fill()

    def _fork_trial(self) -> None:
        # Asked twice while a host name was looked up, one is enough.
        if not self.crew.on_trial():
            self._fork_one(self.crew.trial_slot())

    def _fork_one(self, slot: int = 0) -> None:
        if self._closing:
            return
        try:
            worker = self._fork(self.size)
        except OSError as error:
            is_trial = self.releases.on_trial and not self.crew.on_trial()
            self._start_failed(f"it could not be forked: {error.strerror}", is_trial=is_trial)
            return
        worker.board.fence_ns = self._fence_ns
        worker.release, worker.slot = self.releases.next, slot
        self.workers[worker.pid] = worker
        self._loop.add_reader(worker.mailbox.fileno(), self.read, worker)
        self._loop.add_reader(worker.pidfd, self._reap_in_turn, worker)
        self.listener.forked(worker)
        self._starts.watch(worker)

    def _retire(self, worker: WorkerProcess) -> None:
        worker.stage = Stage.ENDING
        worker.dismiss()
        self._loop.call_later(DISMISSAL_SECONDS, self._insist, worker)

    def _insist(self, worker: WorkerProcess) -> None:
        if not worker.reaped:
            self.kill(worker, Intent(Outcome.SHUTDOWN, "because it did not end when it was dismissed"))

    def _reap_in_turn(self, worker: WorkerProcess) -> None:
        # Where there is no room left in this turn, its pidfd tells us in the next one again.
        if self._ration.take():
            self._reap(worker)

    def _reap(self, worker: WorkerProcess) -> None:
        if worker.pid not in self.workers or (status := worker.reap()) is None:
            return
        # Its reports to the end, then what it has not read: only the frame in between may have started.
        self.read(worker)
        started = not worker.recall()
        self._loop.remove_reader(worker.mailbox.fileno())
        self._loop.remove_reader(worker.pidfd)
        del self.workers[worker.pid]
        why = judge(status, worker.intent, doing=worker.doing).message
        if not worker.was_wanted and (held_seconds := self.deaths.note(worker, why)):
            self._loop.call_later(held_seconds, self._fill)
        if worker.stage in (Stage.STARTING, Stage.SPARE, Stage.IDLE) and not worker.jobs and not self._closing:
            self._start_failed(why, is_trial=worker.stage is Stage.STARTING and self.releases.tries(worker))
        self.listener.died(worker, status, started=started)
        worker.close()
        self._fill()
        self.releases.look_for_older(self.workers.values(), self._loop.time())
        self._check_empty()

    def _start_failed(self, why: str, *, is_trial: bool) -> None:
        if not self.first_hello.done():
            why = f"the first worker did not become ready: {why}"
        elif not is_trial:
            log.error("a worker ended before its first job", why=why, next_try_seconds=self._starts.wait_seconds)
            self._starts.hold_back()
            return
        self._fail_load(why, is_trial=is_trial)

    def _check_empty(self) -> None:
        if self._closing and not self.workers and not self._empty.done():
            self._empty.set_result(None)
