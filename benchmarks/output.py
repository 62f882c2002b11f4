"""Output and receipts: `python -m benchmarks.output [JOBS]`.

What it costs to keep what jobs print: jobs that do nothing, drained by 2 workers with and without it, in turns. What
metering an attempt costs. And a job that prints a gibibyte: what the supervisor's memory grows by, and how long others
wait meanwhile.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.drain import drain
from benchmarks.rig import supervisor
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server, server
from benchmarks.watch import until
from jobworker.supervisor.receipts import Meter

COUNT: Final = 10_000
ROUNDS: Final = 3
FLOOD_MEBIBYTES: Final = 1024
OTHERS: Final = 50


def measure(jobs: int) -> Iterator[Row]:
    """Yield the cost of output and of receipts on small jobs, and the effects of a flood."""
    kept: list[float] = []
    passed: list[float] = []
    for _ in range(ROUNDS):
        kept.append(drain(jobs, 2).jobs_per_second)
        passed.append(drain(jobs, 2, "--no-supervisor-keep-output").jobs_per_second)
    speed = statistics.median(kept)
    detail = f"{ROUNDS} times n={jobs}, in turns"
    asked = "at least 0.9 times"
    yield Row("output: drain, 2 workers", speed, "jobs/s", detail, "without it", statistics.median(passed), asked)
    yield Row("output: a receipt", _receipt_us(jobs), "µs", f"n={jobs}", "a job of that drain", 2e6 / speed)
    yield from _flood(max(1, round(FLOOD_MEBIBYTES * min(1, jobs / COUNT))))


def _receipt_us(rounds: int) -> float:
    meter = Meter()
    began = time.perf_counter()
    for _ in range(rounds):
        meter.start()
        meter.stop()
    return 1e6 * (time.perf_counter() - began) / rounds


def _flood(mebibytes: int) -> Iterator[Row]:
    with server() as on, supervisor(on, 2) as process:
        quiet = [_wait_ms(on) for _ in range(OTHERS)]
        before = process.memory_info().rss
        flooding = on.submit("bench.flood", mebibytes, timeout_seconds=600)
        until(lambda: on.store.get(flooding).started_ms)
        beside = [_wait_ms(on) for _ in range(OTHERS)]
        grown = (process.memory_info().rss - before) / 2**20
        done = on.wait(flooding, every_seconds=0.05)
        assert done.receipt is not None
        detail = f"{mebibytes} MiB in {done.receipt.wall_seconds:.1f} s"
        yield Row("output: a flood, supervisor grows by", max(grown, 0), "MiB", detail)
        base = timings("", quiet).value
        yield timings("output: a flood, enqueue to end of others", beside, against="the same without it", base=base)


def _wait_ms(on: Server) -> float:
    began = time.perf_counter()
    on.wait(on.submit("noop", None))
    return 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(measure, COUNT)
