"""Many deadlines at once: `python -m benchmarks.hangs [WORKERS]`.

Each worker runs a job that ignores every signal and is busy for ever, as is a child of it; all have one deadline, as
near as they can be handed out together. Asked is when the last process of the last tree is dead, and how long the
supervisor's loop was blocked at most, by its own figure, the start of all workers included.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.rig import rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server
from benchmarks.watch import lateness, lines, until
from jobworker.store.fleet import Supervisor
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob

COUNT: Final = 200
#: From the common start on, all processes are busy; at the deadline the supervisor has had to bear it for a while.
BUSY_AFTER_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 4.0


def measure(workers: int) -> Iterator[Row]:
    """Yield how late the processes die, after the last deadline and each after its own, and the lag of the loop."""
    with rig(workers) as running:
        until(lambda: _idle(running) >= workers)
        path = running.folder / "started"
        ids = _hang(running, workers, path)
        started = {int(pid): int(at_ns) for pid, at_ns in lines(path, 2 * workers)}
        last_due_ns = max(started.values()) + round(DEADLINE_SECONDS * 1e9)
        late = lateness(list(started), last_due_ns)
        waits = [(last_due_ns - at_ns) / 1e6 - 1000 * DEADLINE_SECONDS for at_ns in started.values()]
        for job_id in ids:
            assert running.wait(job_id).attempts[-1].outcome == "timed_out"
        what = f"hangs: {workers} trees"
        yield Row(f"{what}, the last dead", max(late), "ms", "after the last deadline", asked="under 500 ms")
        yield timings(f"{what}, each process", [one + wait for one, wait in zip(late, waits, strict=True)])
        yield Row(f"{what}, lag of the loop", _lag_ms(running), "ms", "at most", asked="under 50 ms")


def _hang(running: Server, workers: int, path: Path) -> list[str]:
    """Have all workers claim at once."""
    running.store.pause(who="benchmark")
    busy_at_ns = time.monotonic_ns() + round(BUSY_AFTER_SECONDS * 1e9)
    payload = msgspec.json.encode({"path": str(path), "busy_at_ns": busy_at_ns})
    ids = [new_job_id() for _ in range(workers)]
    timeout_ms = round(1000 * DEADLINE_SECONDS)
    jobs = [NewJob(one, "bench.hang", payload=payload, timeout_ms=timeout_ms, max_attempts=1) for one in ids]
    running.store.enqueue(jobs)
    running.store.resume()
    return ids


def _idle(running: Server) -> int:
    return sum(worker.state == "idle" for worker in running.store.fleet.workers())


def _supervisor(running: Server) -> Supervisor:
    [found] = running.store.fleet.supervisors()
    return found


def _lag_ms(running: Server) -> float | None:
    """Return the figure of the next beat."""
    before = _supervisor(running).lease_left_ms
    until(lambda: _supervisor(running).lease_left_ms > before, every_seconds=0.05)
    roster = _supervisor(running).roster
    return None if roster is None else roster.loop_lag_most_ms


if __name__ == "__main__":
    main(measure, COUNT)
