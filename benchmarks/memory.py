"""Memory: `python -m benchmarks.memory [JOBS]`.

PSS (memory that processes share is counted once, in equal parts) of a supervisor with 2 workers and a spare, and of
the API, after some jobs.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil

from benchmarks.rig import api, request, supervisor
from benchmarks.rows import Row, main
from benchmarks.server import server

COUNT: Final = 200
WAITING: Final = "print(flush=True); input()"
IMPORTING: Final = f"import jobworker.supervisor.supervisor, jobworker.cli.logs; {WAITING}"


def measure(jobs: int) -> Iterator[Row]:
    """Yield the supervisor with its workers, the supervisor alone, and the API."""
    with server() as on, supervisor(on, 2) as process, api(on) as (serving, connection):
        posted = [request(connection, "POST", "/jobs", {"type": "echo"})["id"] for _ in range(jobs)]
        for job_id in posted:
            on.wait(job_id)
        with python(WAITING) as bare, python(IMPORTING) as importing:
            base, imports = _mebibytes([bare]), _mebibytes([importing])
            family = [process, *process.children(recursive=True)]
            what = "memory: supervisor, 2 workers, spare"
            yield Row(what, _mebibytes(family), "MiB", f"n={jobs}", "a bare Python", base, "under 60 MiB")
            yield Row("memory: supervisor alone", _mebibytes([process]), "MiB", "", "its imports alone", imports)
            serving_family = [serving, *serving.children()]
            detail = f"{len(serving_family)} processes"
            yield Row("memory: API", _mebibytes(serving_family), "MiB", detail, "a bare Python", base)


@contextmanager
def python(program: str) -> Iterator[psutil.Process]:
    """Run a Python that has reached its `input()` when the block begins, and ends with it."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdout.readline()
        yield psutil.Process(running.pid)
        running.stdin.write(b"\n")


def _mebibytes(processes: Iterable[psutil.Process]) -> float:
    return float(sum(process.memory_full_info().pss for process in processes)) / 2**20


if __name__ == "__main__":
    main(measure, COUNT)
