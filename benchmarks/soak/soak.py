"""A day of trouble in ten minutes: `python -m benchmarks.soak [SECONDS]`.

One supervisor with 4 workers and a spare. Its jobs end in every way there is; meanwhile its workers are shot, its
handlers reloaded, changed and broken, its size changed. Nothing that it owns may grow, every job must end as its kind
does, and at rest it must own what it did before. The supervisor's log goes to stderr.
"""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.rig import supervisor
from benchmarks.rows import Row
from benchmarks.server import Server, server
from benchmarks.soak.disturbances import Disturbances, write_handlers
from benchmarks.soak.flatness import has_grown, judge
from benchmarks.soak.jobs import KINDS, Jobs
from benchmarks.soak.vitals import Sample, Vitals

COUNT: Final = 600
WORKERS: Final = 4
SETTINGS: Final = (
    "--log-level=info",
    # What crashes here does so on purpose: neither a type nor a place may be held for it.
    "--supervisor-type-crash-window=1",
    "--supervisor-max-restarts-within=1",
    "--supervisor-worker-max-jobs=40",
    # So that there is something to sweep.
    "--jobs-keep-jobs=500",
)
LOOK_SECONDS: Final = 0.1
#: How long jobs and supervisor may take to come to rest.
REST_SECONDS: Final = 60.0


def measure(seconds: int) -> Iterator[Row]:
    """Yield what became of the jobs, how often was disturbed, and each figure."""
    chance = random.Random(1)
    with _hearing_hangups(), server() as on:
        handlers = on.folder / "soaked.py"
        write_handlers(handlers)
        with supervisor(on, WORKERS, f"--handlers={handlers}", *SETTINGS) as process:
            vitals, jobs = Vitals(on, process), Jobs(on, chance)
            # One of each first: what is made at its first use is no leak.
            jobs.submit(list(KINDS))
            before, digest = _rest(on, vitals, jobs), _digest(on)
            disturbances = Disturbances(process, handlers, chance)
            samples = list(_churn(jobs, disturbances, vitals, seconds))
            disturbances.end()
            after = _rest(on, vitals, jobs, before)
            is_stale = _digest(on) == digest
        yield from _outcomes(jobs, disturbances)
        yield _nobody("soak: reloads that were not taken up", int(is_stale), "the last one")
        yield from judge(before, samples, after)
        left = _outlived(vitals)
        yield _nobody("soak: processes after its end", len(left), f"pids {left}")


@contextmanager
def _hearing_hangups() -> Iterator[None]:
    """Have what is started meanwhile hear SIGHUP: under nohup we ignore it, and that is inherited."""
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, ignored)


def _churn(jobs: Jobs, disturbances: Disturbances, vitals: Vitals, seconds: float) -> Iterator[Sample]:
    """Yield a sample each second."""
    began = time.monotonic()
    sampled = 0
    while (passed := time.monotonic() - began) < seconds:
        jobs.look()
        jobs.fill()
        disturbances.disturb()
        if passed >= sampled + 1:
            sampled += 1
            yield vitals.sample()
        time.sleep(LOOK_SECONDS)


def _rest(on: Server, vitals: Vitals, jobs: Jobs, before: Sample | None = None) -> Sample:
    """Return a sample once all jobs have ended and all workers wait, or when that takes too long."""
    give_up_at = time.monotonic() + REST_SECONDS
    while time.monotonic() < give_up_at:
        sample = vitals.sample()
        if not jobs.look() and _waiting(on) == WORKERS + 1 and not has_grown(before or sample, sample):
            return sample
        time.sleep(LOOK_SECONDS)
    return vitals.sample()


def _waiting(on: Server) -> int:
    return sum(worker.state in ("idle", "spare") for worker in on.store.fleet.workers())


def _digest(on: Server) -> str:
    return on.store.handlers()["soak.print"].digest


def _outlived(vitals: Vitals) -> list[int]:
    """Look for what is there after the supervisor's end: dying takes a moment."""
    give_up_at = time.monotonic() + 1
    while (left := vitals.outside()) and time.monotonic() < give_up_at:
        time.sleep(LOOK_SECONDS)
    return left


def _outcomes(jobs: Jobs, disturbances: Disturbances) -> Iterator[Row]:
    done = ", ".join(f"{act} {count}" for act, count in disturbances.done.items())
    yield Row("soak: jobs accepted", jobs.accepted, "", done)
    yield _nobody("soak: jobs that have not ended", len(jobs.under_way), ", ".join(jobs.under_way))
    surprises = ", ".join(f"{what} {count}" for what, count in jobs.surprises.items())
    yield _nobody("soak: jobs that ended unlike their kind", jobs.surprises.total(), surprises)


def _nobody(what: str, count: int, who: str) -> Row:
    """Return the row of what must not be there."""
    return Row(what, count, "", who if count else "", asked="0", failure=f"{what}: {who}" if count else "")
