"""The worker's side: a forked child that runs one job at a time until its supervisor ends it."""

import asyncio
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TextIO

import msgspec
import setproctitle

from jobworker.handlers.builtin.webhook import Webhooks
from jobworker.handlers.errors import HandlerError, LoadFailed
from jobworker.handlers.loading import digest_of, load
from jobworker.handlers.registry import DEFAULT, Handler, Registry
from jobworker.handlers.schema import schema_of
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages
from jobworker.supervisor.board import Board
from jobworker.supervisor.execution import Execution
from jobworker.supervisor.leftovers import NOTHING, Ended, Leftovers, reap
from jobworker.supervisor.lifespan import Lifespan, LifespanLimits
from jobworker.supervisor.mailbox import DONT_WAIT, End, MailboxClosed
from jobworker.supervisor.messages import Assignment, FreshPipe, Hello, Importing, LoadFailure, Progressed, Report
from jobworker.supervisor.pipes import OutputPipes
from jobworker.supervisor.process import STOP_SIGNALS, CutOff, do_nothing
from jobworker.supervisor.stdio import StandardOutput, file_at, flush_streams, write_lines_at_once
from jobworker.supervisor.tasks import TASKS_SIGNAL

#: Variables that handlers must not see: they may hold passwords.
SECRETS: Final = tuple(
    f"JOBWORKER_{name}{where}" for name in ("REDIS_URL", "WEBHOOKS_SECRET") for where in ("", "_FILE")
)

#: `signal.getsignal` without the enum that it tries to make of a function, at five times the price.
_getsignal: Final = importlib.import_module("_signal").getsignal


def worker_body(
    modules: Sequence[str],
    name: str,
    limits: LifespanLimits,
    environ: Mapping[str, str],
    *,
    keep_leftovers: bool,
    webhooks: Webhooks = Webhooks(),  # noqa: B008 - it is frozen
) -> Callable[[End, Board, OutputPipes], int]:
    """Return what a fork of the supervisor `name` runs: a worker of these handler modules, for as long as it may.

    `environ`: variables for it and for what its jobs start.
    `keep_leftovers`: what jobs leave running stays, unless their handler says otherwise.
    `webhooks`: how it tells that jobs have ended.
    """
    title = f"jobworker worker {name}"

    def body(mailbox: End, board: Board, pipes: OutputPipes) -> int:
        setproctitle.setproctitle(f"{title} starting")
        _prepare(environ)
        try:
            hello = _load(modules, DEFAULT, mailbox, webhooks)
        except LoadFailed as failure:
            mailbox.send(messages.encode(LoadFailure(str(failure), failure.traceback)))
            return 1
        mailbox.send(messages.encode(hello))
        worker = Worker(mailbox, board, pipes, DEFAULT, Lifespan(limits), title, keep_leftovers=keep_leftovers)
        return worker.run()

    return body


class Worker:
    """Owns one attempt at a time.

    Told:   an assignment (by the supervisor, through the mailbox).
    Tells:  the report on it, before it takes the next.
    Ends:   at the end of the mailbox, when it must not go on, or when it is killed.
    """

    def __init__(
        self,
        mailbox: End,
        board: Board,
        pipes: OutputPipes,
        registry: Registry,
        lifespan: Lifespan,
        title: str,
        *,
        keep_leftovers: bool,
    ) -> None:
        self._mailbox = mailbox
        self._mailbox_file = file_at(mailbox.fileno())
        self._board = board
        self._registry = registry
        self._lifespan = lifespan
        #: What `ps` shows of every worker of this supervisor.
        self._title = title
        self._keep_leftovers = keep_leftovers
        self._execution = Execution(registry, board, self._nudge)
        signal.signal(TASKS_SIGNAL, self._execution.tasks.tell)
        self._output = StandardOutput(pipes.sinks)
        self._surroundings = Surroundings()
        self._threads = set(threading.enumerate())
        self._leftovers = Leftovers()
        self._pid = os.getpid()

    def run(self) -> int:
        """Run jobs until the mailbox ends; return the exit code."""
        self._surroundings.restore()
        try:
            return self._run()
        finally:
            self._output.restore()

    def _run(self) -> int:
        while True:
            # Half a microsecond each, and who looks at `ps` sees which job it is.
            setproctitle.setproctitle(f"{self._title} idle")
            frame = self._mailbox.receive()
            if frame is None:
                return 0
            assignment = messages.decode(frame)
            if isinstance(assignment, FreshPipe):
                self._take_pipe(assignment)
                continue
            assert isinstance(assignment, Assignment)
            setproctitle.setproctitle(f"{self._title} {assignment.type} {assignment.id}")
            report = self._attempt(assignment)
            try:
                self._mailbox.send(messages.encode(report))
            except MailboxClosed:
                return 0
            if report.retiring:
                return 0

    def _take_pipe(self, fresh: FreshPipe) -> None:
        sink = self._mailbox.take_carried()
        assert sink is not None
        self._output.renew(fresh.which, sink)

    def _attempt(self, assignment: Assignment) -> Report:
        try:
            self._output.lead(assignment.pipe)
        except OSError:
            why = "a job has closed the pipes of its output"
            return Report(assignment.token, Outcome.SHUTDOWN, reason="not started", retiring=why)
        report = self._execution.run(assignment)
        if os.getpid() != self._pid:
            # The handler forked and both came back: two processes must not answer one mailbox.
            os._exit(0)
        # First of all: a timer of the job's would go off in our code.
        self._surroundings.restore()
        self._require_mailbox()
        self._output.flush()
        # Before the report, with which another worker may begin the next attempt.
        has_children = reap()
        ended = self._end_leftovers(assignment.type) if has_children else NOTHING
        return msgspec.structs.replace(
            report,
            retiring=self._why_to_retire() or ended.failure,
            ended=ended.commands,
            has_writers=has_children,
        )

    def _require_mailbox(self) -> None:
        # Another file may have its number by now: a report must not be written into that.
        if file_at(self._mailbox.fileno()) != self._mailbox_file:
            raise CutOff("its job had closed the worker's mailbox, by which a worker reports")

    def _nudge(self, token: int) -> None:
        # A handler that reports its progress must not fail, or wait, because nobody listens.
        with suppress(OSError, MailboxClosed):
            self._mailbox.send(messages.encode(Progressed(token)), DONT_WAIT)

    def _end_leftovers(self, job_type: str) -> Ended:
        if self._keeps(job_type):
            return self._leftovers.keep()
        # This is not the handler's time: the supervisor waits a little beyond the deadline.
        self._board.ended_ns = time.monotonic_ns()
        ended = self._leftovers.end()
        if ended.commands and (watching := self._left_threads(daemons=True)):
            # A pool's thread starts its processes anew when they die, whenever it comes to see it.
            return msgspec.structs.replace(ended, failure=f"{watching}, and processes that they may start anew")
        return ended

    def _keeps(self, job_type: str) -> bool:
        handler = self._registry.get(job_type)
        declared = handler.declaration.leftovers if handler else None
        return self._keep_leftovers if declared is None else declared == "keep"

    def _why_to_retire(self) -> str:
        """Say what the job left behind that the next one must not meet, or that this was the last one."""
        if not self._surroundings.intact:
            return "its job closed descriptors of the worker"
        if not (self._surroundings.streams_are_ours() and self._output.in_place()):
            return "its job closed stdin, stdout or stderr, or put a file in their place"
        return self._left_threads() or self._lifespan.why_it_ends()

    def _left_threads(self, *, daemons: bool = False) -> str:
        """Say which threads jobs left running, daemons or not; those of the modules' import are nobody's."""
        if threading.active_count() == 1:
            return ""
        left = [
            thread.name
            for thread in threading.enumerate()
            if thread not in self._threads and (daemons or not thread.daemon)
        ]
        return f"its job left threads running: {', '.join(left[:3])}" if left else ""


class Surroundings:
    """What a handler may change of its process and the next must find as it was."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._input = file_at(0)
        #: Whether what is put back could be.
        self.intact = True

    def streams_are_ours(self) -> bool:
        """Whether the standard streams can go on: who holds one that is closed could not write any more."""
        return all(map(_is_open, self._streams)) and file_at(0) == self._input

    def restore(self) -> None:
        """Put folder, umask, timers, signals and standard streams back."""
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in STOP_SIGNALS:
            if _getsignal(number) is not do_nothing:
                signal.signal(number, do_nothing)
        os.umask(self._umask)
        try:
            os.fchdir(self._folder)
        except OSError:
            self.intact = False
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams:
            # What the job has put in their place may be about to write.
            flush_streams()
            sys.stdin, sys.stdout, sys.stderr = self._streams


def _is_open(stream: TextIO | None) -> bool:
    try:
        return stream is None or not stream.closed
    except ValueError:
        # Detached from its buffer.
        return False


def _prepare(environ: Mapping[str, str]) -> None:
    # The supervisor's loop is still "running" in this copy; handlers need their own.
    asyncio._set_running_loop(None)  # noqa: SLF001 - there is no public word for it
    for secret in SECRETS:
        os.environ.pop(secret, None)
    os.environ.update(environ)
    # Lines leave at once, here and in what the job starts.
    os.environ["PYTHONUNBUFFERED"] = "1"
    write_lines_at_once()


def _load(modules: Sequence[str], registry: Registry, mailbox: End, webhooks: Webhooks) -> Hello:
    webhooks.declare(registry)
    files = load(modules, registry, begin=lambda name: mailbox.send(messages.encode(Importing(name))))
    digest = digest_of(files)
    try:
        return Hello(tuple(_entry(handler, digest) for handler in registry.all()), digest)
    except HandlerError as error:
        raise LoadFailed(str(error)) from error


def _entry(handler: Handler, digest: str) -> HandlerEntry:
    declared = msgspec.to_builtins(handler.declaration)
    return HandlerEntry(
        type=handler.type,
        schema=schema_of(handler),
        defaults=msgspec.convert(declared, HandlerDefaults),
        description=handler.description,
        digest=digest,
    )
