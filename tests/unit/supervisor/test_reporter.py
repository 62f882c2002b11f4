"""What is told of running attempts, and what becomes of it when Redis takes none."""

import asyncio
from typing import Any

from jobworker.store.claims import Attempted
from jobworker.store.report import AttemptReport
from jobworker.supervisor.reporter import INTERVAL_SECONDS, Reporter

REPORTS = [AttemptReport("job-1", 1), AttemptReport("job-2", 2), AttemptReport("job-3", 3)]


class Output:
    """Has the same to tell each time."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.told: list[AttemptReport] = []

    def reports(self) -> list[AttemptReport]:
        return REPORTS

    def taken(self, reports: list[AttemptReport]) -> None:
        self.told += reports


class Redis:
    async def report(self, _reports: list[AttemptReport]) -> list[str]:
        return ["ok", "stale", "missing"]


def test_whose_report_is_refused_is_told_and_it_is_not_reported_again() -> None:
    output, refused = Output(), []
    redis, sink = Redis(), output
    make: Any = Reporter
    reporter = make(redis, sink, lambda attempted, why: refused.append((attempted, why)))
    assert asyncio.run(reporter._report()) == INTERVAL_SECONDS
    assert refused == [(Attempted("job-2", 2), "stale"), (Attempted("job-3", 3), "missing")]
    assert output.told == REPORTS
