"""Handlers that tell when they began."""

import os
import sys
import time

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
    line = f"{os.getpid()} {time.monotonic_ns()}\n".encode()
    descriptor = os.open(wish.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line)
    os.close(descriptor)
    if job.attempt == 1:
        time.sleep(wish.seconds)
