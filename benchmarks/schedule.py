"""Scheduled starts: `python -m benchmarks.schedule [JOBS]`.

On an idle system, from the time for which a job is scheduled until the first line of its handler. They are as far apart
as the workers rest between two.
"""

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from benchmarks.rig import rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob

COUNT: Final = 200
#: When the first is due, and then another.
FIRST_SECONDS: Final = 1.0
APART_SECONDS: Final = 0.0507


def measure(jobs: int) -> Iterator[Row]:
    """Yield how late they start."""
    with rig() as running:
        yield timings("schedule: due to start", _late_ms(running, jobs), asked="p99 under 10 ms")


def _late_ms(running: Server, jobs: int) -> list[float]:
    # Handlers read the monotonic clock; the server goes by the time of day, of the same machine.
    ahead_ns = time.time_ns() - time.monotonic_ns()
    now_ms = time.time_ns() // 1_000_000
    due_ms = {new_job_id(): now_ms + round(1000 * (FIRST_SECONDS + APART_SECONDS * n)) for n in range(jobs)}
    for job_id, at_ms in due_ms.items():
        running.store.enqueue([NewJob(job_id, "bench.now", run_at_ms=at_ms, timeout_ms=10_000, max_attempts=1)])
    last = max(due_ms.values()) / 1000
    # Nobody looks while they start.
    time.sleep(max(0.0, last - time.time()) + FIRST_SECONDS)
    started = {job_id: msgspec.json.decode(running.wait(job_id).result or b"", type=int) for job_id in due_ms}
    return [(started[job_id] + ahead_ns) / 1e6 - at_ms for job_id, at_ms in due_ms.items()]


if __name__ == "__main__":
    main(measure, COUNT)
