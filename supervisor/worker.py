"""The worker's side: a forked child that runs one job at a time until its supervisor ends it."""

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import setproctitle

from jobworker.handlers.errors import HandlerError, LoadFailed
from jobworker.handlers.loading import digest_of, load
from jobworker.handlers.registry import DEFAULT, Handler, Registry
from jobworker.handlers.schema import schema_of
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.supervisor import messages
from jobworker.supervisor.board import Board
from jobworker.supervisor.execution import Execution
from jobworker.supervisor.lifespan import Lifespan, LifespanLimits
from jobworker.supervisor.mailbox import End, MailboxClosed
from jobworker.supervisor.messages import Assignment, Hello, Importing, LoadFailure
from jobworker.supervisor.process import STOP_SIGNALS, do_nothing

#: Variables that handlers must not see: they may hold passwords.
SECRETS: Final = ("JOBWORKER_REDIS_URL", "JOBWORKER_REDIS_URL_FILE")

#: `signal.getsignal` without the enum that it tries to make of a function, at five times the price.
_getsignal: Final = importlib.import_module("_signal").getsignal


def worker_body(modules: Sequence[str], name: str, limits: LifespanLimits) -> Callable[[End, Board], int]:
    """Return what a fork of the supervisor `name` runs: a worker of these handler modules, for as long as it may."""
    title = f"jobworker worker {name}"

    def body(mailbox: End, board: Board) -> int:
        setproctitle.setproctitle(f"{title} starting")
        _prepare()
        try:
            hello = _load(modules, DEFAULT, mailbox)
        except LoadFailed as failure:
            mailbox.send(messages.encode(LoadFailure(str(failure), failure.traceback)))
            return 1
        mailbox.send(messages.encode(hello))
        return Worker(mailbox, board, DEFAULT, Lifespan(limits), title).run()

    return body


class Worker:
    """Owns one attempt at a time.

    Told:   an assignment (by the supervisor, through the mailbox).
    Tells:  the report on it, before it takes the next.
    Ends:   at the end of the mailbox, when it must not go on, or when it is killed.
    """

    def __init__(self, mailbox: End, board: Board, registry: Registry, lifespan: Lifespan, title: str) -> None:
        self._mailbox = mailbox
        self._lifespan = lifespan
        #: What `ps` shows of every worker of this supervisor.
        self._title = title
        self._execution = Execution(registry, board)
        self._surroundings = Surroundings()
        self._threads = set(threading.enumerate())
        self._pid = os.getpid()

    def run(self) -> int:
        """Run jobs until the mailbox ends; return the exit code."""
        while True:
            self._surroundings.restore()
            _reap_left_behind()
            # Half a microsecond each, and who looks at `ps` sees which job it is.
            setproctitle.setproctitle(f"{self._title} idle")
            frame = self._mailbox.receive()
            if frame is None:
                return 0
            assignment = messages.decode(frame)
            assert isinstance(assignment, Assignment)
            setproctitle.setproctitle(f"{self._title} {assignment.type} {assignment.id}")
            report = self._execution.run(assignment)
            if os.getpid() != self._pid:
                # The handler forked and both came back: two processes must not answer one mailbox.
                os._exit(0)
            report = msgspec.structs.replace(report, retiring=self._why_to_retire())
            try:
                self._mailbox.send(messages.encode(report))
            except MailboxClosed:
                return 0
            if report.retiring:
                return 0

    def _why_to_retire(self) -> str:
        """Say what the job left behind that the next one must not meet, or that this was the last one."""
        if not self._surroundings.streams_are_ours():
            return "its job closed or replaced stdin, stdout or stderr"
        return self._left_threads() or self._lifespan.why_it_ends()

    def _left_threads(self) -> str:
        """Say which threads the job left running, other than daemons; those of the modules' import are nobody's."""
        if threading.active_count() == 1:
            return ""
        left = [thread.name for thread in threading.enumerate() if not thread.daemon and thread not in self._threads]
        return f"its job left threads running: {', '.join(left[:3])}" if left else ""


class Surroundings:
    """What a handler may change of its process and the next must find as it was."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._files = _standard_files()

    def streams_are_ours(self) -> bool:
        """Whether the standard streams lead where they led: else the next job's output could land in its files."""
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams or any(
            stream is not None and stream.closed for stream in self._streams
        ):
            return False
        return _standard_files() == self._files

    def restore(self) -> None:
        """Put folder, umask, timers and signals back."""
        os.fchdir(self._folder)
        os.umask(self._umask)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in STOP_SIGNALS:
            if _getsignal(number) is not do_nothing:
                signal.signal(number, do_nothing)


def _standard_files() -> list[tuple[int, int] | None]:
    """Return which file each of the descriptors 0, 1 and 2 is; None: closed."""
    files: list[tuple[int, int] | None] = []
    for descriptor in (0, 1, 2):
        try:
            status = os.fstat(descriptor)
        except OSError:
            files.append(None)
        else:
            files.append((status.st_dev, status.st_ino))
    return files


def _reap_left_behind() -> None:
    """Reap what jobs have forked and not waited for, or orphaned to us: nobody else will."""
    # Its own children multiprocessing must reap itself, or it takes them for alive; this does it.
    multiprocessing.active_children()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prepare() -> None:
    # The supervisor's loop is still "running" in this copy; handlers need their own.
    asyncio._set_running_loop(None)  # noqa: SLF001 - there is no public word for it
    for secret in SECRETS:
        os.environ.pop(secret, None)
    # A SIGKILL takes along what is in a buffer: lines leave at once, here and in what the job starts.
    os.environ["PYTHONUNBUFFERED"] = "1"
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)


def _load(modules: Sequence[str], registry: Registry, mailbox: End) -> Hello:
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
