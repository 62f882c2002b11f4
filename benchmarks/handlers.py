"""Handlers that tell when they began."""

import os
import time

from msgspec import Struct

from jobworker.handlers import Job, handler


class Mark(Struct):
    """Where to write down the start, and for how long to run on each attempt but the last."""

    path: str
    seconds: float = 0.0
    #: From this attempt on the job ends at once.
    ends_at: int = 1


@handler("bench.mark")
def mark(wish: Mark, job: Job) -> None:
    """Append `pid attempt monotonic_ns` to the file, in one write."""
    line = f"{os.getpid()} {job.attempt} {time.monotonic_ns()}\n".encode()
    descriptor = os.open(wish.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line)
    os.close(descriptor)
    if job.attempt < wish.ends_at:
        time.sleep(wish.seconds)
