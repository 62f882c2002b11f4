"""A lost host: `python -m benchmarks.failover [ROUNDS]`.

From kill -9 of a supervisor, which takes its workers along, to the start that its job's second attempt writes down: on
another supervisor, which has to wait for the lease to end; and on one that is started anew under the same name.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import psutil

from benchmarks.rig import supervisor
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server, server
from benchmarks.watch import lines, until

COUNT: Final = 5
LEASE_SECONDS: Final = 5.0
OPTIONS: Final = (f"--supervisor-lease={LEASE_SECONDS}", "--supervisor-beat=1")


def measure(rounds: int) -> Iterator[Row]:
    """Yield how long the jobs of the lost supervisor were not running."""
    elsewhere = [_fail_over() for _ in range(rounds)]
    yield timings("failover: running again elsewhere", elsewhere, asked=f"under {LEASE_SECONDS + 1:.0f} s")
    anew = [_start_anew() for _ in range(rounds)]
    yield timings("failover: running again under the same name", anew, asked="under 1 s")


def _fail_over() -> float:
    """Return how long a job was not running, in ms."""
    with server() as on, ExitStack() as stack:
        lost = stack.enter_context(supervisor(on, 1, "--name=lost", *OPTIONS))
        job_id = _begin(on)
        stack.enter_context(supervisor(on, 1, "--name=heir", *OPTIONS))
        # Who reaps has held its own lease for a term.
        time.sleep(LEASE_SECONDS)
        return _run_again(on, job_id, _kill(lost))


def _start_anew() -> float:
    with server() as on, ExitStack() as stack:
        lost = stack.enter_context(supervisor(on, 1, "--name=same", *OPTIONS))
        job_id = _begin(on)
        killed_ns = _kill(lost)
        lost.wait()
        stack.enter_context(supervisor(on, 1, "--name=same", *OPTIONS))
        return _run_again(on, job_id, killed_ns)


def _begin(on: Server) -> str:
    """Return a job whose first attempt runs."""
    job_id = on.submit("bench.mark", {"path": str(on.folder / "mark"), "seconds": 60})
    lines(on.folder / "mark", 1)
    return job_id


def _kill(lost: psutil.Process) -> int:
    """Return when it was killed."""
    killed_ns = time.monotonic_ns()
    lost.kill()
    return killed_ns


def _run_again(on: Server, job_id: str, killed_ns: int) -> float:
    started_ns = int(lines(on.folder / "mark", 2)[1][1])
    until(lambda: on.store.get(job_id).ended)
    return (started_ns - killed_ns) / 1e6


if __name__ == "__main__":
    main(measure, COUNT)
