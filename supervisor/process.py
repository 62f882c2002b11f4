"""One worker process, seen from its supervisor, and the fork that makes it. Workers are forked nowhere else."""

import ctypes
import enum
import gc
import importlib
import math
import os
import resource
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Final

import msgspec
import structlog

from jobworker.handlers.user_traceback import describe
from jobworker.store.sizing import process_count
from jobworker.store.states import Outcome
from jobworker.supervisor.board import Board, boottime_ns
from jobworker.supervisor.mailbox import BadFrame, End, MailboxClosed, open_mailbox
from jobworker.supervisor.messages import Message, decode
from jobworker.supervisor.pipes import OutputPipes
from jobworker.supervisor.procfs import read_signals
from jobworker.supervisor.receipts import Remains
from jobworker.supervisor.stack import DIED, Stack, StackFile, stack_of
from jobworker.supervisor.verdict import BEFORE_REPORT, Intent

log = structlog.get_logger("jobworker.process")

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1
#: `signal.pthread_sigmask` without the enums that it makes of each signal: half a millisecond of each fork.
_set_mask: Final = importlib.import_module("_signal").pthread_sigmask
_ALL_SIGNALS: Final = signal.valid_signals()
_PR_SET_CHILD_SUBREAPER: Final = 36

#: Tells a worker that the soft timeout of the attempt on its board has passed.
SOFT_TIMEOUT_SIGNAL: Final[int] = signal.SIGRTMAX - 2
#: By how much sooner than its supervisor a worker is what the kernel's OOM killer takes (of 1,000).
OOM_SCORE: Final = 300

#: How much nicer than the supervisor a worker is with a CPU for itself: it gets a tenth of what we get when we need it.
WORKER_NICENESS: Final = 10
#: What each step of niceness takes from a process's share (Linux's scheduler).
NICE_STEP: Final = 1.25
#: There is none beyond.
MOST_NICENESS: Final = 19
#: Exit code of a worker whose own code failed (sysexits.h: EX_SOFTWARE).
WORKER_BROKEN: Final = 70


class CutOff(Exception):
    """The worker cannot reach its supervisor any more."""


class Stage(enum.Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    SPARE = "spare"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"


class WorkerProcess:
    """A forked worker: its pid, its mailbox, its board, its output, its stack, and what we intend with it."""

    def __init__(self, pid: int, ours: End, theirs: End, board: Board, pipes: OutputPipes, stack: StackFile) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.started_ns = boottime_ns()
        self.mailbox = ours
        self.board = board
        self.pipes = pipes
        self.stack = stack
        self.stage = Stage.STARTING
        #: Which release of the handler code it was forked for, and the place that it fills; told by the pool.
        self.release = 0
        self.slot = 0
        #: The handler module that it imports, or has imported last.
        self.module = "the built-in handlers"
        self.intent: Intent | None = None
        #: How many attempts it has reported on: one that has does not fail because of how it starts.
        self.jobs = 0
        #: Whether its pid may be another process's by now.
        self.reaped = False
        #: What it used, once it was reaped.
        self.remains: Remains | None = None
        #: Why it ended by itself, if it said so on its board; once it was reaped.
        self.last_words = ""
        self._theirs = theirs

    @property
    def was_wanted(self) -> bool:
        """Whether its death was: it was dismissed, or killed for another reason than what it did itself."""
        if self.intent is None:
            return self.stage is Stage.ENDING
        return self.intent.outcome is not Outcome.CRASHED

    @property
    def doing(self) -> str:
        """What it was about when it died, and why if it said so, as it completes "it died …"."""
        why = f": {self.last_words}" if self.last_words else ""
        match self.stage:
            case Stage.STARTING:
                return f"while it imported {self.module}{why}"
            case Stage.SPARE | Stage.IDLE:
                return f"while it had no job{why}"
            case Stage.BUSY | Stage.ENDING:
                return f"{BEFORE_REPORT}{why}"

    def ask_stack(self, token: int) -> str:
        """Have it tell where its attempt `token` is, soon; return why it cannot be asked, else an empty text."""
        return self.stack.ask(self.pid, self.pidfd, self.board, token)

    def read_stack(self, token: int, why_none: str = "") -> Stack:
        """Return what it has told by now."""
        if self.reaped:
            return Stack(missing=DIED)
        return stack_of(self.stack.dump(), self.board.read_tasks(token), why_none)

    def dismiss(self) -> None:
        """Tell an idle worker to end: it reads an end of file."""
        # Our copy of its end stays open; what it reads from is our end alone.
        self.mailbox.close_writing()

    def receive(self) -> Iterator[Message]:
        """Yield the messages that are there. Raises BadFrame, MailboxClosed."""
        for frame in self.mailbox.receive_waiting():
            try:
                message = decode(frame)
            except (msgspec.DecodeError, ValueError) as error:
                raise BadFrame("a frame that is no message") from error
            yield message

    def recall(self) -> list[bytes]:
        """Take back the frames that the worker has not read: those were certainly not started."""
        frames: list[bytes] = []
        # At the end of the file the worker was dismissed.
        with suppress(MailboxClosed):
            frames.extend(self._theirs.receive_waiting())
        return frames

    def interrupt(self, token: int) -> None:
        """Tell the worker that the soft timeout of an attempt has passed; it must not be reaped."""
        self.board.interrupted = token
        # If its job has taken the handler away, or runs another program in its place, the signal would kill it.
        if read_signals(self.pid).catches(SOFT_TIMEOUT_SIGNAL):
            signal.pidfd_send_signal(self.pidfd, SOFT_TIMEOUT_SIGNAL)

    def reap(self) -> int | None:
        """Return the wait status, once; None while the worker lives."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.reaped = True
        self.remains = Remains.of(usage, self.board)
        self.last_words = self.board.last_words
        return status

    def close(self) -> None:
        """Release every descriptor; the worker must be dead."""
        os.close(self.pidfd)
        self.mailbox.close()
        self._theirs.close()
        self.board.close()
        self.pipes.close()
        self.stack.close()


class Forker:
    """Makes workers. `body` runs in the child and returns its exit code."""

    def __init__(self, body: Callable[[End, Board, OutputPipes], int], keep: Iterable[int], open_files: int) -> None:
        self._body = body
        #: Descriptors that stay open in workers: the lock is free only when they are dead too.
        self._keep = frozenset(keep)
        self._open_files = open_files
        self._cpus = process_count("auto")

    def fork(self, workers: int = 1) -> WorkerProcess:
        """Fork a worker, one of so many; the caller must be single-threaded.

        Raises OSError when the system has no more room.
        """
        assert threading.active_count() == 1, "a fork beside threads may copy a held lock"
        with ExitStack() as made:
            ours, theirs = (made.enter_context(closing(end)) for end in open_mailbox())
            board = made.enter_context(closing(Board()))
            pipes = made.enter_context(closing(OutputPipes.open()))
            stack = made.enter_context(closing(StackFile()))
            pid = self._fork(theirs, board, pipes, stack, niceness_among(workers, self._cpus))
            worker = WorkerProcess(pid, ours, theirs, board, pipes, stack)
            # From here on they are closed with the worker.
            made.pop_all()
        pipes.close_sinks()
        return worker

    def _fork(self, theirs: End, board: Board, pipes: OutputPipes, stack: StackFile, niceness: int) -> int:
        supervisor = os.getpid()
        # A signal between the fork and the reset below would land in the supervisor's wakeup descriptor.
        blocked = _set_mask(signal.SIG_BLOCK, _ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                # This is where a worker leaves the supervisor's code. It never returns into its loop.
                self._become_worker(supervisor, theirs, board, pipes, stack, niceness)
        finally:
            _set_mask(signal.SIG_SETMASK, blocked)
        return pid

    def _become_worker(
        self, supervisor: int, mailbox: End, board: Board, pipes: OutputPipes, stack: StackFile, niceness: int
    ) -> None:
        status = WORKER_BROKEN
        try:
            kept = {mailbox.fileno(), *pipes.sinks, stack.fileno(), *self._keep}
            _detach(supervisor, kept, self._open_files, niceness)
            stack.answer()
            # What a job forks may outlive us all, and must not keep our successor from the lock.
            os.register_at_fork(after_in_child=partial(_close_all, self._keep))
            status = self._body(mailbox, board, pipes)
        except CutOff as error:
            # It is the handler's doing, and its log need not show our code.
            board.last_words = str(error)
        except BaseException as error:
            board.last_words = f"its own code failed: {describe(error)}"
            traceback.print_exc()
        finally:
            os._exit(status)


def niceness_among(workers: int, cpus: int) -> int:
    """Return by how much nicer than the supervisor a worker has to be, for those of a CPU to weigh what one would."""
    crowd = max(1.0, workers / cpus)
    return min(MOST_NICENESS, WORKER_NICENESS + round(math.log(crowd, NICE_STEP)))


def _detach(supervisor: int, keep: set[int], open_files: int, niceness: int) -> None:
    """Cut a fresh child off from everything of its parent but `keep`, and bind its life to the parent's."""
    # What the parent has allocated stays: collecting it here would run finalisers on descriptors that are not ours.
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    # Only the supervisor decides when a worker ends. SIG_IGN would pass through exec; a handler does not.
    signal.signal(SOFT_TIMEOUT_SIGNAL, do_nothing)
    for number in STOP_SIGNALS:
        signal.signal(number, do_nothing)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.setsid()
    _yield_cpu(niceness)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(0)
    become_subreaper()
    _offer_to_oom_killer()
    _close_descriptors(keep)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))


def _yield_cpu(niceness: int) -> None:
    """Let the supervisor go first where CPU is short: it needs little, and kills depend on it."""
    # A busy one that is woken, or killed, does not take the CPU from who has it. Children inherit all of this.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    niceness = os.nice(niceness)
    # Where sessions are scheduled as groups, `nice` counts within a session only, and ours is new.
    with suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as file:  # noqa: PTH123 - at each fork
        file.write(str(niceness))


#: Signals that ask a process to stop; workers do nothing about them.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def _offer_to_oom_killer() -> None:
    """Let the kernel take us, or what our jobs start and so inherits it, before it takes the supervisor."""
    # Raising it needs no privilege; some sandboxes have no such file.
    with suppress(OSError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:  # noqa: PTH123 - a fork
        score = min(int(file.read()) + OOM_SCORE, 1000)
        file.seek(0)
        file.write(str(score))


def do_nothing(_number: int, _frame: object) -> None:
    """Take a signal without acting on it."""


def _close_descriptors(keep: set[int]) -> None:
    _close_all({int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2} - keep)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0, inheritable=True)
    if null:
        os.close(null)


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        # One of them was the listing's own, and a handler may have closed any.
        with suppress(OSError):
            os.close(descriptor)


def become_subreaper() -> None:
    """Adopt, from now on, what our descendants orphan."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one; return what it was, for the workers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft
