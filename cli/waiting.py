"""Waiting for a job to end, by asking less and less often."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from jobworker.cli.errors import Unavailable
from jobworker.cli.http import ApiClient
from jobworker.cli.output import print_json, printable
from jobworker.store.states import ENDED

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
#: How long a 503's Retry-After may make us wait before we look again.
LONGEST_RETRY_AFTER_SECONDS: Final = 5.0


def wait_and_print(client: ApiClient, job_id: str, *, as_json: bool) -> int:
    """Wait until the job has ended; print its result, or why there is none. Return the exit code."""
    job = wait(client, job_id)
    succeeded = job["status"] == "succeeded"
    if as_json:
        print_json(job)
    elif succeeded:
        print_json(job.get("result"))
    if not succeeded:
        click.echo(f"jobworker: {_obituary(job)}", err=True)
    return 0 if succeeded else 1


def wait(client: ApiClient, job_id: str, *, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return the job once it has ended. A 503 is waited out: the job is safe meanwhile."""
    for pause_seconds in _pauses():
        try:
            job = client.get_job(job_id)
        except Unavailable as error:
            sleep(min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
            continue
        if job["status"] in ENDED:
            return job
        sleep(pause_seconds)
    raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        yield pause_seconds
        pause_seconds = min(pause_seconds * 1.5, LONGEST_PAUSE_SECONDS)


def _obituary(job: dict[str, Any]) -> str:
    error = job.get("error")
    why = [f"{error['type']}: {error['message']}"] if error else []
    why += [job["reason"]] if job.get("reason") else []
    return printable(f"job {job['id']} {_ENDINGS[job['status']]}{': ' if why else ''}{'; '.join(why)}")


_ENDINGS: Final = {"failed": "failed", "cancelled": "was cancelled", "expired": "expired before it started"}
