"""The handler of a chaos run: writes down that it began, works, writes down that it ends."""

import os
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from jobworker.cli.chaos.ledger import Entry, Event, append, boottime_ms
from jobworker.handlers.context import Job
from jobworker.handlers.decorator import handler

TYPE: Final = "chaos.work"
#: A worker that is frozen for longer is killed at its deadline.
TIMEOUT_SECONDS: Final = 5.0
#: Nobody may be given up: what is killed is killed by us.
UNLIMITED: Final = 1000


class Work(Struct, frozen=True, forbid_unknown_fields=True):
    """What one job does."""

    ledger: str
    number: int
    seconds: float
    #: Whether its first attempt fails.
    fails: bool


def output_of(number: int) -> str:
    """Return what an attempt prints that does its work.

    >>> output_of(7)
    'request 7 began\\nrequest 7 ended\\n'
    """
    return f"request {number} began\nrequest {number} ended\n"


@handler(
    TYPE,
    timeout=TIMEOUT_SECONDS,
    max_attempts=100,
    max_crashes=UNLIMITED,
    backoff={"base": 0.1, "factor": 1.0, "max": 0.1},
)
def work(task: Work, job: Job) -> int:
    """Return the token of the attempt that did it."""
    _note("began", task, job)
    print(f"request {task.number} began")  # noqa: T201 - it is the job's output
    time.sleep(task.seconds)
    if task.fails and job.attempt == 1:
        _note("failed", task, job)
        raise RuntimeError("the first attempt fails, as asked")
    print(f"request {task.number} ended")  # noqa: T201
    _note("ended", task, job)
    return job.fencing_token


def _note(event: Event, task: Work, job: Job) -> None:
    entry = Entry(
        event,
        task.number,
        job.id,
        job.attempt,
        job.fencing_token,
        os.getpid(),
        os.getppid(),
        boottime_ms(),
    )
    append(Path(task.ledger), entry)
