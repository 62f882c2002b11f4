"""How soon what was killed runs again."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from jobworker.cli.chaos.ledger import Run
from jobworker.cli.chaos.nemeses import HARMLESS, Struck
from jobworker.cli.chaos.schedule import SERVER
from jobworker.cli.chaos.stage import LEASE_SECONDS

#: By the kind of fault.
NAMES: Final = {
    "kill_worker": "killed worker: its job runs again",
    "kill_supervisor": "killed supervisor, started again: its jobs run again",
    "kill_host": "killed host, away: its jobs run again elsewhere",
}


class Recovery(Struct, frozen=True):
    """Times from a kill to the begin of the next attempt, in ms, where no other fault was in the way."""

    what: str
    count: int
    median_ms: float
    p99_ms: float
    worst_ms: float
    #: How many more there were with other faults in the way, and the worst of those.
    disturbed: int
    worst_disturbed_ms: float


def recoveries(struck: Sequence[Struck], runs: Sequence[Run]) -> Iterator[Recovery]:
    """Yield a line for each kind of kill that made a job run again."""
    by_job: dict[str, list[Run]] = {}
    for run in runs:
        by_job.setdefault(run.job_id, []).append(run)
    for kind, what in NAMES.items():
        quiet: list[float] = []
        disturbed: list[float] = []
        for fault in (fault for fault in struck if fault.kind == kind):
            for again_ms in _again(fault, by_job):
                times = disturbed if _is_disturbed(fault, again_ms, struck) else quiet
                times.append(again_ms - fault.at_ms)
        if quiet or disturbed:
            yield _summed(what, quiet, disturbed)


def _again(fault: Struck, by_job: dict[str, list[Run]]) -> Iterator[float]:
    for killed in fault.runs:
        later = [run.began_ms for run in by_job[killed.job_id] if run.began_ms > fault.at_ms]
        # One that could still write down its end, or its failure, was not killed at work.
        if not killed.is_over and later:
            yield min(later)


def _is_disturbed(fault: Struck, again_ms: float, struck: Sequence[Struck]) -> bool:
    # Who takes over must have held its own lease for a term.
    elsewhere = fault.kind == "kill_host"
    since_ms = fault.at_ms - (1000 * LEASE_SECONDS if elsewhere else 0)
    return any(
        other is not fault
        and other.kind not in HARMLESS
        and (elsewhere or other.target in {fault.target, SERVER})
        and other.at_ms < again_ms
        and other.until_ms > since_ms
        for other in struck
    )


def _summed(what: str, quiet: list[float], disturbed: list[float]) -> Recovery:
    return Recovery(
        what,
        len(quiet),
        _quantile(quiet, 0.5),
        _quantile(quiet, 0.99),
        max(quiet, default=0.0),
        len(disturbed),
        max(disturbed, default=0.0),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0
