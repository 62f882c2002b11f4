"""Handlers that do nothing or do harm: for tests and benchmarks, and only where this module is named.

`jobworker supervisor --handlers jobworker.handlers.builtin.trial`
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Final, Literal, NoReturn

from msgspec import Meta, Struct

from jobworker.handlers.decorator import handler

#: Longer than any test.
_FOREVER_SECONDS: Final = 86_400
_PAGE_BYTES: Final = 4096
_MIB: Final = 1024 * 1024
#: A process of the tree: adds its line to the file, if one is named, and stays. It imports nothing of ours: it
#: must be there in no time.
_STAY: Final = f"""
import os, sys, time
for started in sys.argv[1:]:
    descriptor = os.open(started, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, b"%d %d\\n" % (os.getpid(), time.monotonic_ns()))
time.sleep({_FOREVER_SECONDS})
"""
#: A process that starts another in a session of its own and ends.
_LEAVE_BEHIND: Final = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-ISc", *sys.argv[1:]], start_new_session=True)
os._exit(0)
"""


class Crash(Struct, frozen=True, forbid_unknown_fields=True):
    """How to die; exit code 1 if nothing is said."""

    exit_code: Annotated[int, Meta(ge=0, le=255)] | None = None
    signal: Annotated[int, Meta(ge=1, le=64)] | None = None


class Hang(Struct, frozen=True, forbid_unknown_fields=True):
    """How to hang, and the file that each process of the job adds its line to when it begins to."""

    how: Literal["loop", "regex", "stubborn", "tree"] = "loop"
    started: str | None = None


class Allocate(Struct, frozen=True, forbid_unknown_fields=True):
    """How much memory to hold, and for how long."""

    megabytes: Annotated[int, Meta(ge=0, le=1_000_000)]
    seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


@handler
def noop() -> None:
    """Do nothing, with any payload: what is left is the cost of a job."""


@handler
def crash(payload: Crash) -> dict[str, int]:
    """Kill the worker: by an exit code, or by a signal sent to itself."""
    if payload.signal is None:
        os._exit(1 if payload.exit_code is None else payload.exit_code)
    os.kill(os.getpid(), payload.signal)
    return {"survived_signal": payload.signal}


@handler
def hang(payload: Hang) -> NoReturn:
    """Run for ever, in one of four ways that no exception raised in the worker can end."""
    _report(payload.started)
    _WAYS_TO_HANG[payload.how](payload.started)


@handler
def allocate(payload: Allocate) -> dict[str, int]:
    """Hold memory, every page of it touched."""
    memory = bytearray(payload.megabytes * _MIB)
    for offset in range(0, len(memory), _PAGE_BYTES):
        memory[offset] = 1
    time.sleep(payload.seconds)
    return {"megabytes": payload.megabytes}


def _report(started: str | None) -> None:
    if started is None:
        return
    # One write to a file opened for appending: lines of several processes never mix.
    descriptor = os.open(started, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(descriptor, f"{os.getpid()} {time.monotonic_ns()}\n".encode())
    os.close(descriptor)


def _loop(_started: str | None) -> NoReturn:
    while True:
        pass


def _regex(_started: str | None) -> NoReturn:
    """Backtrack for ever inside C code, which keeps the interpreter's lock."""
    while True:
        re.match(r"(a+)+$", "a" * 64 + "b")


def _stubborn(_started: str | None) -> NoReturn:
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):  # SIGKILL and SIGSTOP
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        with suppress(BaseException):
            time.sleep(_FOREVER_SECONDS)


def _tree(started: str | None) -> NoReturn:
    """Leave a child and two processes that have cut all ties: other session, other parent."""
    arguments = [_STAY] if started is None else [_STAY, started]
    subprocess.Popen([sys.executable, "-ISc", *arguments])
    subprocess.run([sys.executable, "-ISc", _LEAVE_BEHIND, *arguments], check=True)
    _fork_twice(started)
    _loop(started)


def _fork_twice(started: str | None) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _report(started)
            time.sleep(_FOREVER_SECONDS)
    finally:
        # Never back into the worker's own loop.
        os._exit(0)


_WAYS_TO_HANG: Final[dict[str, Callable[[str | None], NoReturn]]] = {
    "loop": _loop,
    "regex": _regex,
    "stubborn": _stubborn,
    "tree": _tree,
}
