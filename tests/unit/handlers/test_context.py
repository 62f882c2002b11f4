import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from jobworker.handlers import Job
from jobworker.handlers.joblog import JOB_LOG


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


def test_a_progress_is_told_and_one_beyond_the_whole_is_refused() -> None:
    told: list[tuple[float | None, str]] = []
    job = _job(deadline_monotonic=None, tell_progress=lambda *progress: told.append(progress))
    job.progress(0.5, "half")
    job.progress(None)
    assert told == [(0.5, "half"), (None, "")]
    for fraction in (-0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            job.progress(fraction)


@pytest.mark.parametrize(
    ("progress", "why"),
    [
        (("0.5",), "the fraction of a progress is a number from 0 to 1 or None, not '0.5'"),
        ((0.5, 7), "the message of a progress is a text, not 7"),
        ((0.5, None), "the message of a progress is a text, not None"),
    ],
)
def test_what_is_no_progress_is_refused_with_what_is_expected(progress: Any, why: str) -> None:
    with pytest.raises(TypeError) as refused:
        _job(deadline_monotonic=None).progress(*progress)
    assert str(refused.value) == why


def test_where_nobody_listens_a_progress_is_no_error() -> None:
    _job(deadline_monotonic=None).progress(0.5)


def test_the_log_writes_to_what_stderr_is_then(capsys: pytest.CaptureFixture[str]) -> None:
    _job(deadline_monotonic=None).log.info("size %d", 7)
    assert capsys.readouterr().err == "INFO size 7\n"


class Unprintable:
    def __str__(self) -> str:
        raise KeyError("no text")


@pytest.mark.parametrize(
    ("text", "argument", "why"),
    [
        ("size %d", "x", "TypeError: %d format: a real number is required, not str"),
        ("size %s", Unprintable(), "KeyError: 'no text'"),
    ],
)
def test_a_line_whose_arguments_do_not_fit_is_one_line_that_says_where(
    text: str, argument: object, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = JOB_LOG.makeRecord(JOB_LOG.name, logging.WARNING, "work.py", 7, text, (argument,), None)
    # By our handler alone: that of pytest raises.
    JOB_LOG.handlers[0].handle(record)
    assert capsys.readouterr().err == f"WARNING {text} (its arguments do not fit: {why}; work.py, line 7)\n"


def test_a_handler_cannot_change_its_job() -> None:
    with pytest.raises(AttributeError):
        _job(deadline_monotonic=None).attempt = 7  # type: ignore[misc]  # what mypy refuses, the Struct refuses too


def _job(deadline_monotonic: float | None, **more: Any) -> Job:
    return Job(
        id="01936f00-0000-7000-8000-000000000000",
        type="echo",
        queue="default",
        attempt=1,
        max_attempts=3,
        fencing_token=42,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        deadline_monotonic=deadline_monotonic,
        **more,
    )


def test_what_is_submitted_is_kept_with_the_job() -> None:
    job = _job(deadline_monotonic=None)
    first = job.submit("mail", {"to": "a"}, priority=9)
    second = job.submit("mail", delay=5)
    assert [(one.id, one.payload, one.priority, one.delay) for one in job.submissions.close()] == [
        (first, b'{"to":"a"}', 9, None),
        (second, b"null", None, 5.0),
    ]
