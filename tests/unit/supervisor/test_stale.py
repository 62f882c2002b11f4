"""Refused writes are counted, an attempt once, and told once."""

import pytest
from structlog.testing import capture_logs

from jobworker.store.claims import Attempted
from jobworker.supervisor import stale
from jobworker.supervisor.stale import StaleWrites


def test_an_attempt_is_counted_and_told_once_whatever_of_it_is_refused() -> None:
    writes = StaleWrites()
    with capture_logs() as logs:
        for token in (1, 1, 2):
            writes.refused(Attempted("job-1", token), "stale")
        writes.refused(Attempted("job-1", 1), "missing")
    assert writes.count == 2
    assert [(line["job"], line["why"]) for line in logs] == [("job-1", "stale")] * 2


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale, "REMEMBERED", 2)
    writes = StaleWrites()
    for token in (1, 2, 3, 3, 2, 1):
        writes.refused(Attempted("job-1", token), "stale")
    assert writes.count == 4
