"""Crash recovery: `python -m benchmarks.recovery [ROUNDS]`.

From kill -9 of the worker to the start that its job's second attempt writes down.
"""

import os
import signal
import sys
import time

from benchmarks.rig import Rig, figures, rig


def measure(running: Rig, number: int) -> float:
    """Return how long one job was not running, in ms."""
    path = running.folder / f"mark-{number}"
    job_id = running.submit("bench.mark", {"path": str(path), "seconds": 60, "ends_at": 2})
    worker = int(running.lines(path, 1)[0][0])
    killed_ns = time.monotonic_ns()
    os.kill(worker, signal.SIGKILL)
    started_ns = int(running.lines(path, 2)[1][2])
    assert running.wait(job_id).status == "succeeded"
    return (started_ns - killed_ns) / 1e6


def main() -> None:
    """Print one row."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with rig() as running:
        print(figures("running again after kill -9", [measure(running, number) for number in range(rounds)]))


if __name__ == "__main__":
    main()
