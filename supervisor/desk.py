"""The attempts in hand: which worker runs which job, until when, and how it ended."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

import msgspec
import structlog

from jobworker.store.claims import Attempted, Cancel, Claim, Settle
from jobworker.store.job import Note, Receipt
from jobworker.store.limits import MIB
from jobworker.store.settings import JobSettings, SelfFence
from jobworker.store.states import Outcome
from jobworker.supervisor.agenda import STACK_SECONDS, Step, agenda_of
from jobworker.supervisor.attempt import Attempt
from jobworker.supervisor.breaker import Breaker
from jobworker.supervisor.budget import Budget
from jobworker.supervisor.deadlines import Deadlines
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.mailbox import DONT_WAIT, MailboxClosed
from jobworker.supervisor.memory import MemoryWatch
from jobworker.supervisor.messages import Report
from jobworker.supervisor.oom import OomWatch
from jobworker.supervisor.output import Output
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.receipts import Cpu
from jobworker.supervisor.settlement import hold_back, put_back, settle_report, settle_verdict
from jobworker.supervisor.stack import BLOCKED, NOT_ASKED, Stack
from jobworker.supervisor.tree import Killer, freeze, thaw
from jobworker.supervisor.verdict import Intent, judge, was_shot

log = structlog.get_logger("jobworker.desk")

#: A worker that begins late has its deadline moved by at most this: its word is not trusted further.
LATE_START_SECONDS: Final = 1.0
#: How long past the deadline a worker whose handler has ended in time may end what that has left running.
CLEARING_SECONDS: Final = 1.0

FENCED: Final = Intent(Outcome.FENCED, "because Redis does not answer, and our lease may end before it does")


class Desk:
    """Owns the attempts in hand.

    Told:   what was claimed (by the exchange); reports and deaths (by the pool); what is overdue (by the deadlines);
            what a client cancels (by the lease).
    Tells:  the exchange, what to settle and that a worker is idle; the pool, whom to kill; the breaker, how
            attempts end.
    """

    def __init__(
        self,
        pool: Pool,
        killer: Killer,
        loop: SupervisorLoop,
        jobs: JobSettings,
        output: Output,
        breaker: Breaker,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        # Connected by each session; between two there is nothing to settle and nobody to claim.
        self.settle: Callable[[Settle], object] = bool
        self.poke: Callable[[], object] = bool
        self._pool = pool
        self._killer = killer
        self._loop = loop
        self._jobs = jobs
        self._output = output
        self._spawn = spawn
        self._breaker = breaker
        self._deadlines = Deadlines(loop, self._overdue)
        self._memory = MemoryWatch(loop, self._exceeded_memory)
        self._oom = OomWatch.of_this_process()
        self._attempts: dict[int, Attempt] = {}
        #: Workers frozen at their deadline in this turn of the loop.
        self._overdue_pids: list[int] = []
        self._burying = 0
        self._searching = False
        self._changed = asyncio.Event()
        pool.listener = self

    @property
    def empty(self) -> bool:
        """Whether no attempt is in hand and none waits for its verdict."""
        return not self._attempts and not self._burying

    async def wait_until_empty(self) -> None:
        """Return when nothing is in hand any more."""
        while not self.empty:
            self._changed.clear()
            await self._changed.wait()

    def held(self) -> list[Attempted]:
        """Return the attempts that run and are ours."""
        return [attempt.claim.attempted for attempt in self._attempts.values() if not attempt.dropped]

    def hand_out(self, claim: Claim) -> bool:
        """Give a claimed job to the idle worker it was claimed for, or put it back; False: its type is held."""
        refusal = self._breaker.refusal(claim.type, claim.token)
        if refusal is not None:
            self.settle(hold_back(claim, refusal))
            return False
        worker = self._pool.workers.get(claim.worker)
        if worker is None or worker.stage is not Stage.IDLE:
            self._breaker.ended(claim.type, claim.token, Outcome.RECALLED, "")
            self.settle(put_back(claim, Outcome.RECALLED))
            return True
        worker.stage = Stage.BUSY
        budget = Budget.of(claim, self._pool.catalogue, self._jobs)
        self._attempts[worker.pid] = Attempt(
            claim, budget, worker, agenda_of(budget.timeout_seconds, budget.soft_timeout_seconds)
        )
        # Not now: what ended meanwhile goes to Redis first, which then works while we hand out.
        self._loop.call_soon(self._deliver, worker)
        return True

    def _deliver(self, worker: WorkerProcess) -> None:
        attempt = self._attempts.get(worker.pid)
        if attempt is None or worker.stage is not Stage.BUSY or worker.reaped:
            # It has ended meanwhile, and its death puts the job back.
            return
        # The time before it is sent: its worker may begin before we go on.
        attempt = msgspec.structs.replace(attempt, handed_at=self._loop.time())
        try:
            pipe = self._output.begin(worker, attempt.claim.attempted, attempt.claim.logged)
            worker.mailbox.send(attempt.assignment(pipe), DONT_WAIT)
        except (MailboxClosed, BlockingIOError):
            self._pool.kill(worker, Intent(Outcome.CRASHED, "because its mailbox takes nothing"))
            return
        self._attempts[worker.pid] = attempt
        if attempt.agenda:
            self._deadlines.set(worker.pid, attempt.handed_at + attempt.agenda[0].after_seconds)
        if attempt.budget.memory_limit_mb is not None:
            self._memory.watch(worker.pid, attempt.budget.memory_limit_mb)

    def cancel(self, wanted: Iterable[Cancel]) -> None:
        """Kill the attempts that clients want cancelled; never another attempt of the same job."""
        self._kill({cancel.attempted: _cancelled(cancel.note) for cancel in wanted})

    async def take_stack(self, attempted: Attempted) -> Stack | None:
        """Return the stack of an attempt, or why there is none; None when the attempt is not in hand."""
        held = (attempt for attempt in self._attempts.values() if attempt.claim.attempted == attempted)
        attempt = next(held, None)
        if attempt is None or attempt.worker.reaped:
            return None
        worker, token = attempt.worker, attempted.token
        why_none = worker.ask_stack(token)
        if why_none in ("", BLOCKED):
            await worker.stack.wait(worker.board, token)
        return worker.read_stack(token, why_none)

    def drop(self, foreign: Iterable[Attempted]) -> None:
        """Kill attempts that are no longer ours and forget them: whoever took them has them."""
        lost = dict.fromkeys(foreign, Intent(Outcome.LOST, "because Redis no longer holds the job as ours"))
        for pid, attempt in self._attempts.items():
            if attempt.claim.attempted in lost:
                self._attempts[pid] = msgspec.structs.replace(attempt, dropped=True)
        self._kill(lost)

    def fence(self, which: SelfFence) -> int:
        """Kill what must not overlap with an attempt elsewhere, because our lease may be over; return how many."""
        if which == "none":
            return 0
        fenced = [one.worker for one in self._attempts.values() if which == "all" or one.budget.exclusive]
        return sum(self._kill_unless_reported(worker, FENCED) for worker in fenced)

    def end_all(self, intent: Intent) -> None:
        """Kill everything that runs."""
        self._kill(dict.fromkeys(self.held(), intent))

    def _kill(self, intents: Mapping[Attempted, Intent]) -> None:
        for attempt in list(self._attempts.values()):
            if (intent := intents.get(attempt.claim.attempted)) is not None:
                self._pool.kill(attempt.worker, intent)

    def forked(self, worker: WorkerProcess) -> None:
        """Listen to what the jobs of a new worker write."""
        self._output.watch(worker)

    def became_idle(self) -> None:
        """Let the exchange claim for a worker that has just become ready."""
        self.poke()

    def reported(self, worker: WorkerProcess, report: Report) -> None:
        """Settle what a worker reports; a report that is there before the death is judged wins."""
        attempt = self._attempts.get(worker.pid)
        if attempt is None or attempt.claim.token != report.token:
            log.warning("a worker reported on an attempt that it does not have", worker=worker.pid)
            return
        claim = attempt.claim
        if report.ended:
            commands = list(report.ended)
            log.info(
                "what a job left running is ended", job=claim.id, type=claim.type, commands=commands, **claim.logged
            )
        if report.has_writers:
            worker.pipes.hold()
        if report.outcome is Outcome.UNHANDLED and self._pool.is_behind(worker, claim.type):
            self._conclude(attempt, put_back(claim, Outcome.RECALLED))
            return
        self._conclude(attempt, settle_report(claim, attempt.budget, report))

    def progressed(self, worker: WorkerProcess, token: int) -> None:
        """Pass on that there is a new progress."""
        attempt = self._attempts.get(worker.pid)
        if attempt is not None and attempt.claim.token == token:
            self._output.progressed(worker)

    def orphan_died(self, session: int, cpu: Cpu) -> None:
        """End what an orphan may have started before its death; a search in progress finds that too."""
        attempt = self._attempts.get(session)
        if attempt is not None:
            self._attempts[session] = msgspec.structs.replace(attempt, orphans=attempt.orphans + cpu)
        if not self._searching:
            self._searching = True
            self._spawn(self._search())

    async def _search(self) -> None:
        await self._killer.end_orphans(self._pool.workers)
        self._searching = False

    def died(self, worker: WorkerProcess, status: int, *, started: bool) -> None:
        """Judge a dead worker, once nothing of its job lives: two attempts never overlap."""
        attempt = self._attempts.get(worker.pid)
        self._forget_steps(worker.pid)
        self._output.unwatch(worker)
        self._burying += 1
        if was_shot(status, worker.intent):
            self._oom.shot()
        handed_out = attempt is not None and attempt.handed_at < math.inf
        self._spawn(self._bury(worker, attempt, status, started=started and handed_out))

    async def _bury(self, worker: WorkerProcess, attempt: Attempt | None, status: int, *, started: bool) -> None:
        await self._killer.end_orphans(self._pool.workers)
        # What was killed with it counts, whenever we are told of its death.
        await self._pool.until_reaped()
        # Also of a worker without an attempt: what was counted for it counts for no other.
        evidence = self._oom.judge() if was_shot(status, worker.intent) else None
        verdict = judge(status, worker.intent, evidence, worker.doing)
        self._pool.deaths.explain(worker, verdict.message)
        self._burying -= 1
        self._changed.set()
        if attempt is None:
            if not worker.was_wanted:
                log.warning("worker died", worker=worker.pid, why=verdict.message)
            self.poke()
            return
        claim = attempt.claim
        if not started:
            self._conclude(attempt, put_back(claim, Outcome.RECALLED))
            return
        log.warning(
            "worker died",
            worker=worker.pid,
            job=claim.id,
            type=claim.type,
            attempt=claim.attempt,
            outcome=verdict.outcome.value,
            why=verdict.message,
            **claim.logged,
        )
        settle = settle_verdict(claim, attempt.budget, verdict, self._receipt(worker), attempt.stack)
        self._conclude(attempt, settle)

    def _receipt(self, worker: WorkerProcess) -> Receipt | None:
        """What the attempt cost of which a worker died; None if it had not begun."""
        attempt, remains = self._attempts[worker.pid], worker.remains
        if remains is None or remains.began_at < attempt.handed_at:
            return None
        return remains.receipt(attempt.orphans, attempt.used_bytes)

    def _conclude(self, attempt: Attempt, settle: Settle) -> None:
        pid = attempt.worker.pid
        attempt = self._attempts.pop(pid)
        self._forget_steps(pid)
        claim, why = attempt.claim, settle.error.message if settle.error else ""
        self._breaker.ended(claim.type, claim.token, settle.outcome, why)
        self._changed.set()
        settle = self._output.end(attempt.worker, settle)
        if not attempt.dropped:
            self.settle(settle)

    def _overdue(self, pid: int) -> None:
        """Do the next step of an attempt's agenda, unless its worker began so late that it is not due yet."""
        attempt = self._attempts[pid]
        due, *later = attempt.agenda
        began_at = self._start_of(attempt)
        due_at = began_at + due.after_seconds
        if due.step is Step.KILL and attempt.has_ended(due_at):
            due_at += CLEARING_SECONDS
        if due_at > self._loop.time():
            self._deadlines.set(pid, due_at)
            return
        self._attempts[pid] = msgspec.structs.replace(attempt, agenda=tuple(later))
        if later:
            self._deadlines.set(pid, began_at + later[0].after_seconds)
        match due.step:
            case Step.SOFT_TIMEOUT:
                attempt.worker.interrupt(attempt.claim.token)
            case Step.STACK:
                self._ask_stack(attempt, due_at)
            case Step.KILL:
                self._freeze_overdue(pid)

    def _ask_stack(self, attempt: Attempt, due_at: float) -> None:
        # Where many are due at once, those that are late are not asked: their kill does not wait.
        in_time = self._loop.time() < due_at + STACK_SECONDS / 2
        missing = attempt.worker.ask_stack(attempt.claim.token) if in_time else NOT_ASKED
        self._note(attempt, stack=Stack(missing=missing))

    def _freeze_overdue(self, pid: int) -> None:
        # Many deadlines may be due at once, and busy workers would keep us from the CPU: first of all they all stop.
        freeze(pid)
        if not self._overdue_pids:
            self._loop.call_soon(self._kill_overdue)
        self._overdue_pids.append(pid)

    def _kill_overdue(self) -> None:
        pids, self._overdue_pids = self._overdue_pids, []
        for attempt in filter(None, map(self._attempts.get, pids)):
            worker, why = attempt.worker, f"at its deadline of {attempt.budget.timeout_seconds:g} s"
            if self._kill_unless_reported(worker, Intent(Outcome.TIMED_OUT, why)):
                # Whatever is there by now: the kill waits for nothing.
                self._note(attempt, stack=worker.read_stack(attempt.claim.token, attempt.stack.missing))

    def _exceeded_memory(self, pid: int, used_bytes: int) -> None:
        attempt = self._note(self._attempts[pid], used_bytes=used_bytes)
        limit_mb = attempt.budget.memory_limit_mb
        why = f"because it used {used_bytes / MIB:.0f} MiB of memory, over its limit of {limit_mb} MiB"
        self._kill_unless_reported(attempt.worker, Intent(Outcome.OUT_OF_MEMORY, why))

    def _kill_unless_reported(self, worker: WorkerProcess, intent: Intent) -> bool:
        # A report that is already there wins.
        self._pool.read(worker)
        if worker.pid not in self._attempts:
            thaw(worker.pid)
            return False
        self._pool.kill(worker, intent)
        return True

    def _note(self, attempt: Attempt, **fields: Any) -> Attempt:
        pid = attempt.worker.pid
        # What was noted since the caller looked stays.
        self._attempts[pid] = msgspec.structs.replace(self._attempts[pid], **fields)
        return self._attempts[pid]

    def _forget_steps(self, pid: int) -> None:
        self._deadlines.clear(pid)
        self._memory.forget(pid)

    def look_around(self) -> None:
        """Read what is compared with when a worker dies; now and then."""
        self._oom.look()

    def _start_of(self, attempt: Attempt) -> float:
        """When the attempt began: it is never killed early, however late its worker was scheduled."""
        started_at = attempt.worker.board.started_ns / 1e9
        if started_at < attempt.handed_at:
            # Its worker has not begun yet.
            started_at = self._loop.time()
        return min(started_at, attempt.handed_at + LATE_START_SECONDS)


def _cancelled(note: Note) -> Intent:
    why = f": {note.reason}" if note.reason else ""
    return Intent(Outcome.CANCELLED, f"because {note.who} cancelled the job{why}")
