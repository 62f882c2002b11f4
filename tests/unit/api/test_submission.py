"""Whose word counts: the request's, then the handler's, then the settings'."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw

from jobworker.api.catalogue import Catalogue
from jobworker.api.errors import InvalidBody
from jobworker.api.schemas import BackoffRequest, JobRequest
from jobworker.api.submission import Submission
from jobworker.api.validation import Validators
from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.job import NewJob
from jobworker.store.settings import JobSettings
from jobworker.store.unique import UniqueKey

NOW = 1_700_000_000
SETTINGS = JobSettings(
    default_handler="report",
    queue="from-settings",
    priority=3,
    timeout=30.0,
    max_attempts=4,
    max_crashes=6,
    backoff_base=7.0,
    backoff_jitter=False,
)
DECLARED = HandlerDefaults(
    queue="from-handler", priority=8, timeout=60.5, max_attempts=9, max_crashes=11, backoff=Backoff(13.0)
)


def make_submission(**handlers: HandlerDefaults) -> Submission:
    entries = {name: HandlerEntry(type=name, schema={}, defaults=defaults) for name, defaults in handlers.items()}
    return Submission(Catalogue(lambda: entries), SETTINGS, Validators(), new_id=lambda: "an-id", now=lambda: NOW)


def test_the_settings_speak_when_nobody_else_does() -> None:
    assert make_submission(report=HandlerDefaults()).new_job(JobRequest()) == NewJob(
        id="an-id",
        type="report",
        queue="from-settings",
        priority=3,
        timeout_ms=30_000,
        max_attempts=4,
        max_crashes=6,
        backoff=Backoff(7.0, jitter=False),
    )


def test_the_handler_speaks_before_the_settings() -> None:
    assert make_submission(report=DECLARED).new_job(JobRequest()) == NewJob(
        id="an-id",
        type="report",
        queue="from-handler",
        priority=8,
        timeout_ms=60_500,
        max_attempts=9,
        max_crashes=11,
        backoff=Backoff(13.0),
    )


def test_the_request_speaks_before_the_handler() -> None:
    request = JobRequest(
        payload=Raw(b"[1]"), queue="mine", priority=1, delay=0.25, timeout=0.1, max_attempts=1, max_crashes=2
    )
    assert make_submission(report=DECLARED).new_job(request) == NewJob(
        id="an-id",
        type="report",
        payload=b"[1]",
        queue="mine",
        priority=1,
        delay_ms=250,
        timeout_ms=100,
        max_attempts=1,
        max_crashes=2,
        backoff=Backoff(13.0),
    )


def test_a_part_of_a_backoff_leaves_the_other_parts_to_the_handler() -> None:
    job = make_submission(report=DECLARED).new_job(JobRequest(backoff=BackoffRequest(max=20.0)))
    assert job.backoff == Backoff(13.0, max=20.0)


def test_a_handler_may_declare_that_there_is_no_deadline() -> None:
    assert make_submission(report=HandlerDefaults(timeout=None)).new_job(JobRequest()).timeout_ms == 0


def test_what_depends_on_an_unregistered_handler_is_left_to_the_claim() -> None:
    job = make_submission().new_job(JobRequest(type="to.come", max_crashes=5))
    assert (job.queue, job.priority, job.max_crashes) == ("from-settings", 3, 5)
    assert (job.timeout_ms, job.max_attempts, job.backoff) == (None, None, None)


def test_a_part_of_a_backoff_for_an_unregistered_handler_is_completed_from_the_settings() -> None:
    job = make_submission().new_job(JobRequest(backoff=BackoffRequest(factor=5.0)))
    assert job.backoff == Backoff(7.0, 5.0, jitter=False)


def test_times_are_kept_in_milliseconds() -> None:
    instant = datetime(2023, 12, 1, 1, 0, 0, 123_999, tzinfo=UTC)
    job = make_submission().new_job(JobRequest(run_at=instant, expires_at=instant + timedelta(seconds=1)))
    assert job.run_at_ms == 1_701_392_400_123
    assert job.expires_at_ms == 1_701_392_401_123


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.mark.parametrize(
    ("make_request", "pointer"),
    [
        (lambda: JobRequest(run_at=at(0), delay=0.0), "/run_at"),
        (lambda: JobRequest(run_at=at(366 * 86_400 + 1)), "/run_at"),
        (lambda: JobRequest(run_at=datetime(1969, 12, 31, tzinfo=UTC)), "/run_at"),
        (lambda: JobRequest(type="nope"), "/type"),
    ],
)
def test_what_cannot_be_is_refused(make_request: Callable[[], JobRequest], pointer: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        make_submission(report=HandlerDefaults()).new_job(make_request())
    assert caught.value.pointer == pointer


def test_the_last_allowed_second_is_allowed() -> None:
    assert make_submission().new_job(JobRequest(run_at=at(366 * 86_400))).run_at_ms is not None


def test_a_unique_key_goes_in_as_its_digest_and_returns_what_holds_it_unless_told_otherwise() -> None:
    submission = make_submission()
    assert submission.new_job(JobRequest()).unique is None
    assert submission.new_job(JobRequest(unique_key="a b")).unique == UniqueKey.of("a b", "return")
    strict = JobRequest(unique_key="a b", on_conflict="reject")
    assert submission.new_job(strict).unique == UniqueKey.of("a b", "reject")


def test_what_to_do_on_a_conflict_is_nothing_without_a_unique_key() -> None:
    with pytest.raises(InvalidBody, match="unique_key"):
        make_submission().new_job(JobRequest(on_conflict="reject"))
