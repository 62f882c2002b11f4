"""Handlers that tell when they began."""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from jobworker.handlers import Job, handler


@handler("bench.now")
def now() -> int:
    """Return the instant at which the handler's first line ran (monotonic, ns)."""
    return time.monotonic_ns()


@handler("bench.flood")
def flood(mebibytes: int) -> None:
    """Print so much."""
    block = "x" * 1023 + "\n"
    for _ in range(1024 * mebibytes):
        sys.stdout.write(block)


class Mark(Struct):
    """Where to write down the start, and for how long to run on the first attempt."""

    path: str
    seconds: float


@handler("bench.mark")
def mark(wish: Mark, job: Job) -> None:
    """Append `pid monotonic_ns` to the file, in one write; after the first attempt, end at once."""
    _note(wish.path)
    if job.attempt == 1:
        time.sleep(wish.seconds)


class Hang(Struct):
    """Where to write down the start, and when to begin to be busy (monotonic, ns)."""

    path: str
    busy_at_ns: int


@handler("bench.hang")
def hang(wish: Hang) -> NoReturn:
    """Never end, nor does a child: both ignore every signal, and are busy from the common instant on."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):  # those that the C library keeps for itself
            signal.signal(number, signal.SIG_IGN)
    _note(wish.path)
    if os.fork() == 0:
        _note(wish.path)
    time.sleep(max(0, wish.busy_at_ns - time.monotonic_ns()) / 1e9)
    while True:
        pass


def _note(path: str) -> None:
    line = f"{os.getpid()} {time.monotonic_ns()}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line)
    os.close(descriptor)
