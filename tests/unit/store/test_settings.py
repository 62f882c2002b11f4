"""The table of defaults in docs: what holds when nobody has said anything."""

import platform

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.retention import Retention
from jobworker.store.settings import JobSettings, Settings, default_name

DAY_MS = 86_400_000


def test_a_job_gets_the_defaults_of_the_design() -> None:
    jobs = JobSettings()
    assert (jobs.default_handler, jobs.queue, jobs.priority) == ("echo", "default", 5)
    assert (jobs.timeout, jobs.max_attempts, jobs.max_crashes) == (300.0, 3, 3)
    assert jobs.backoff == Backoff(base=1.0, factor=2.0, max=3600.0, jitter=True)


def test_ended_jobs_are_kept_for_a_day_failed_ones_for_two_weeks_and_a_million_of_each() -> None:
    assert JobSettings().retention == Retention(DAY_MS, 14 * DAY_MS, 1_000_000) == Retention()


def test_retention_is_passed_to_scripts_in_their_order() -> None:
    assert JobSettings(keep=60, keep_failed=61, keep_jobs=62).retention.arguments() == [60_000, 61_000, 62]


def test_a_supervisor_gets_its_defaults() -> None:
    supervisor = Settings().supervisor
    assert (supervisor.workers, supervisor.spares, supervisor.queues, supervisor.handlers) == ("auto", 1, (), ())
    assert (supervisor.grace, supervisor.lease, supervisor.beat, supervisor.poll) == (25.0, 15.0, 3.0, 2.0)


def test_redis_and_the_api_get_the_defaults_of_the_design() -> None:
    settings = Settings()
    assert (settings.redis.url, settings.redis.prefix) == ("redis://127.0.0.1:6379/0", "jobworker")
    assert settings.redis.timeout == 2.0
    assert (settings.api.listen, settings.api.threads) == ("127.0.0.1:8080", 16)
    assert settings.state.dir == "./.jobworker"


@pytest.mark.parametrize(
    ("host", "name"),
    [("web-1.example", "web-1.example"), ("böse host", "b-se-host"), ("-x", "supervisor"), ("", "supervisor")],
)
def test_a_supervisor_is_named_after_its_host_as_far_as_a_name_allows(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    monkeypatch.setattr(platform, "node", lambda: host)
    assert default_name() == name
