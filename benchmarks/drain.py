"""Drain: `python -m benchmarks.drain [JOBS]`.

Jobs that do nothing, queued before the first is claimed, by 2 and by 32 workers, one job at a time each: how many a
second, and what each costs whom. The limit is the bare script: the same exchanges, made by one loop without
supervisor and workers.
"""

from collections.abc import Iterator
from typing import Final

import psutil
from msgspec import Struct

from benchmarks import bare
from benchmarks.rig import supervisor
from benchmarks.rows import Row, main
from benchmarks.server import Server, server
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_BATCH_JOBS

COUNT: Final = 20_000
ASKED: Final = {2: "at least 4,000 jobs/s", 32: "at least 12,000 jobs/s"}
COSTS: Final = (", CPU of Redis", ", CPU of the supervisor", ", CPU of the workers")
#: Looking at it costs what is measured, so look rarely.
POLL_SECONDS: Final = 0.02


class Drained(Struct, frozen=True):
    """What one drain took: wall clock of the whole, CPU of each job."""

    jobs_per_second: float
    #: Of Redis, the supervisor, the workers.
    cpu_us: tuple[float | None, ...]


def measure(jobs: int) -> Iterator[Row]:
    """Yield speed and costs for each number of workers."""
    for workers, asked in ASKED.items():
        limit, ours = _drain_barely(jobs, workers), drain(jobs, workers)
        what, against = f"drain: {workers} workers", "the bare script"
        yield Row(what, ours.jobs_per_second, "jobs/s", f"n={jobs}", against, limit.jobs_per_second, asked)
        for whose, ours_us, limit_us in zip(COSTS, ours.cpu_us, limit.cpu_us, strict=True):
            yield Row(f"{what}{whose}", ours_us, "µs a job", "", against, limit_us)


def _drain_barely(jobs: int, slots: int) -> Drained:
    with server() as on:
        _enqueue(on, jobs)
        before = _cpu_seconds(on.process)
        seconds = bare.exchange(on, slots)
        return Drained(jobs / seconds, (1e6 * (_cpu_seconds(on.process) - before) / jobs, None, None))


def drain(jobs: int, workers: int, *options: str) -> Drained:
    """Drain `jobs` by a supervisor with these workers and options."""
    with server() as on, supervisor(on, workers, *options) as process:
        on.store.pause(who="benchmark")
        ids = _enqueue(on, jobs)
        before = _cpu_of_each(on, process)
        on.store.resume()
        seconds = _wait_for_end(on, ids)
        after = _cpu_of_each(on, process)
        return Drained(jobs / seconds, tuple(1e6 * (now - was) / jobs for now, was in zip(after, before, strict=True)))


def _enqueue(on: Server, jobs: int) -> list[str]:
    ids = [new_job_id() for _ in range(jobs)]
    for start in range(0, jobs, MAX_BATCH_JOBS):
        on.store.enqueue([NewJob(job_id, "noop", timeout_ms=60_000) for job_id in ids[start : start + MAX_BATCH_JOBS]])
    return ids


def _wait_for_end(on: Server, ids: list[str]) -> float:
    """Return the seconds from the first start to the last end, by the clock of Redis."""
    # They are started in their order, so those that end last are among the last.
    last = [on.wait(job_id, every_seconds=POLL_SECONDS) for job_id in reversed(ids[-200:])]
    first = on.store.get(ids[0])
    return max(1, max(job.ended_ms or 0 for job in last) - (first.started_ms or 0)) / 1000


def _cpu_of_each(on: Server, process: psutil.Process) -> tuple[float, float, float]:
    workers = sum(_cpu_seconds(worker) for worker in process.children())
    return _cpu_seconds(on.process), _cpu_seconds(process), workers


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main(measure, COUNT)
