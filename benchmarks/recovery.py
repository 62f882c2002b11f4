"""Crash recovery: `python -m benchmarks.recovery [ROUNDS]`.

From kill -9 of the worker to the start that its job's second attempt writes down.
"""

import os
import signal
import time
from collections.abc import Iterator
from typing import Final

from benchmarks import bare
from benchmarks.rig import rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server
from benchmarks.watch import lines

COUNT: Final = 100


def measure(rounds: int) -> Iterator[Row]:
    """Yield one row."""
    base = timings("", [bare.restart() for _ in range(rounds)]).value
    with rig() as running:
        milliseconds = [_recover(running, number) for number in range(rounds)]
    what, asked = "recovery: running again after kill -9", "median under 50 ms"
    yield timings(what, milliseconds, against="restarting a bare Python", base=base, asked=asked)


def _recover(running: Server, number: int) -> float:
    """Return how long one job was not running, in ms."""
    path = running.folder / f"mark-{number}"
    job_id = running.submit("bench.mark", {"path": str(path), "seconds": 60})
    worker = int(lines(path, 1)[0][0])
    killed_ns = time.monotonic_ns()
    os.kill(worker, signal.SIGKILL)
    started_ns = int(lines(path, 2)[1][1])
    assert running.wait(job_id).status == "succeeded"
    return (started_ns - killed_ns) / 1e6


if __name__ == "__main__":
    main(measure, COUNT)
