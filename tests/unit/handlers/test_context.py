import time
from datetime import UTC, datetime

import pytest

from jobworker.handlers import Job


def test_the_seconds_left_count_down() -> None:
    job = _job(deadline_monotonic=time.monotonic() + 100)

    first, second = job.seconds_left, job.seconds_left

    assert first is not None
    assert second is not None
    assert 99 < second < first <= 100


def test_after_the_deadline_no_seconds_are_left() -> None:
    assert _job(deadline_monotonic=time.monotonic() - 5).seconds_left == 0.0


def test_without_a_deadline_the_seconds_left_are_unknown() -> None:
    assert _job(deadline_monotonic=None).seconds_left is None


def test_a_handler_cannot_change_its_job() -> None:
    with pytest.raises(AttributeError):
        _job(deadline_monotonic=None).attempt = 7  # type: ignore[misc]  # what mypy refuses, the Struct refuses too


def _job(deadline_monotonic: float | None) -> Job:
    return Job(
        id="01936f00-0000-7000-8000-000000000000",
        type="echo",
        queue="default",
        attempt=1,
        max_attempts=3,
        fencing_token=42,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        deadline_monotonic=deadline_monotonic,
    )
