"""What must hold of every run, whatever went wrong in it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from jobworker.store.job import JobRecord
from jobworker.store.states import ENDED, JobState
from tests.simulation.processes import ONLY, Run
from tests.simulation.run import Outcome

#: How much later than its deadline an attempt may end.
LATE_SECONDS: Final = 0.05


def broken(outcome: Outcome) -> Iterator[str]:
    """Yield every promise that the run has broken."""
    yield from outcome.failures
    yield from (f"the indexes disagree: {flaw}" for flaw in outcome.flaws)
    for job_id, record in outcome.records.items():
        runs = [run for run in outcome.runs if run.job == job_id]
        yield from (f"{job_id}: {what}" for what in _broken_by(record, runs, outcome))


def _broken_by(record: JobRecord, runs: Sequence[Run], outcome: Outcome) -> Iterator[str]:
    yield from _unended(record, runs)
    yield from _unjust(record, runs, outcome.reaped)
    yield from _late(runs, outcome.stopped_hosts)
    yield from _doubled(runs, outcome)


def _unended(record: JobRecord, runs: Sequence[Run]) -> Iterator[str]:
    if record.status not in ENDED:
        yield f"has not ended: {record.status}"
    yield from (f"attempt {run.token} has never ended" for run in runs if run.ended_at is None)


def _unjust(record: JobRecord, runs: Sequence[Run], reaped: int) -> Iterator[str]:
    """Yield what the record says and did not happen."""
    if record.status is JobState.SUCCEEDED:
        ends = {str(run.token).encode(): run.end for run in runs}
        if ends.get(record.result or b"") != "ok":
            yield f"has succeeded with {record.result!r}, which no attempt has returned"
        if record.result != str(record.token).encode():
            yield f"has succeeded with the result of {record.result!r}, not of its last attempt {record.token}"
    if record.failures > (record.max_attempts or 0) or record.crashes > (record.max_crashes or 0):
        yield f"has spent more than it had: {record.failures} failures, {record.crashes} crashes"
    # Nobody knows whether what a dead supervisor had claimed had begun.
    if record.failures + record.crashes > len(runs) + reaped:
        yield f"has spent {record.failures} failures and {record.crashes} crashes in {len(runs)} attempts"


def _late(runs: Sequence[Run], stopped_hosts: set[str]) -> Iterator[str]:
    for run in runs:
        if run.ended_at is None or run.timeout_seconds is None or run.host in stopped_hosts:
            continue
        seconds = run.ended_at - run.began_at
        if seconds > run.timeout_seconds + LATE_SECONDS:
            yield f"attempt {run.token} ended after {seconds:.3f} s, its timeout is {run.timeout_seconds} s"


def _doubled(runs: Sequence[Run], outcome: Outcome) -> Iterator[str]:
    """Yield attempts that overlap, or come after one that has done all, without a lost lease that explains it."""
    if len({run.token for run in runs}) < len(runs):
        yield "an attempt was begun twice"
    in_order = sorted(runs, key=lambda run: run.began_at)
    for earlier, later in pairwise(in_order):
        # A drain that cannot deliver its results says so, and ends without.
        undelivered = "results are not delivered" in outcome.story.of(earlier.host)
        overlap = earlier.ended_at is None or later.began_at < earlier.ended_at
        if overlap and not outcome.reaped:
            yield f"attempts {earlier.token} and {later.token} overlap, and no lease has ended"
        if overlap and earlier.type == ONLY and earlier.host not in outcome.stopped_hosts:
            yield f"attempts {earlier.token} and {later.token} of an exclusive type overlap"
        if earlier.end == "ok" and not outcome.reaped and not undelivered:
            yield f"attempt {later.token} began after {earlier.token} had done all, and no lease has ended"
