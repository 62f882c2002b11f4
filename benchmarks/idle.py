"""Doing nothing: `python -m benchmarks.idle [SECONDS]`.

A supervisor with 8 idle workers and a spare: its CPU, and how often it and its workers are woken (voluntary context
switches: each is a wait that has ended).
"""

import time
from collections.abc import Iterator
from typing import Final

import psutil

from benchmarks.rig import supervisor
from benchmarks.rows import Row, main
from benchmarks.server import Server, server
from benchmarks.watch import until

COUNT: Final = 60
WORKERS: Final = 8


def measure(seconds: int) -> Iterator[Row]:
    """Yield CPU and wake-ups of the supervisor, and the wake-ups of all workers together."""
    with server() as on, supervisor(on, WORKERS) as process:
        until(lambda: _ready(on) == WORKERS + 1)
        workers = process.children()
        before = (_cpu_seconds(process), _wakes(process), sum(map(_wakes, workers)))
        began = time.monotonic()
        time.sleep(seconds)
        after = (_cpu_seconds(process), _wakes(process), sum(map(_wakes, workers)))
        took = time.monotonic() - began
        cpu, wakes, of_workers = ((now - was) / took for now, was in zip(after, before, strict=True))
        what, detail = f"idle: {WORKERS} workers", f"over {took:.0f} s"
        yield Row(f"{what}, CPU of the supervisor", 100 * cpu, "% of a core", detail, asked="under 1 %")
        yield Row(f"{what}, wake-ups of the supervisor", wakes, "a second", detail, asked="2 a second at most")
        yield Row(f"{what}, wake-ups of the workers", of_workers, "a second", detail)


def _ready(on: Server) -> int:
    return sum(worker.state in ("idle", "spare") for worker in on.store.fleet.workers())


def _wakes(process: psutil.Process) -> int:
    return int(process.num_ctx_switches().voluntary)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main(measure, COUNT)
