"""When a job runs, and when it runs again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.up_process import UpProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

QUICKLY: dict[str, Any] = {"base": 0.05, "factor": 2, "max": 1, "jitter": False}


def test_a_failed_attempt_is_repeated_after_a_growing_delay(up: UpProcess, tmp_path: Path) -> None:
    job = up.run_job("fail_first", {"file": str(tmp_path / "tries"), "times": 2}, max_attempts=3, backoff=QUICKLY)
    assert (job["status"], job["result"], job["attempt"], job["failures"]) == ("succeeded", 3, 3, 2)
    first, second = job["attempts"]
    assert (first["outcome"], first["error"]["type"]) == ("raised", "ValueError")
    assert first["error"]["message"] == "attempt 1 went wrong"
    assert "up_handlers.py" in first["error"]["traceback"]
    assert _seconds(first["ended_at"], second["started_at"]) >= 0.05
    assert _seconds(second["ended_at"], job["started_at"]) >= 0.1


def test_when_all_attempts_have_failed_the_job_has(up: UpProcess, tmp_path: Path) -> None:
    job = up.run_job("fail_first", {"file": str(tmp_path / "tries"), "times": 9}, max_attempts=2, backoff=QUICKLY)
    assert (job["status"], job["reason"], job["failures"]) == ("failed", "max_attempts", 2)
    assert job["error"]["message"] == "attempt 2 went wrong"


def test_the_jitter_takes_a_random_part_of_the_delay(up: UpProcess, tmp_path: Path) -> None:
    backoff = {"base": 0.2, "jitter": True}
    job = up.run_job("fail_first", {"file": str(tmp_path / "tries"), "times": 1}, backoff=backoff)
    assert job["status"] == "succeeded"
    assert job["attempts"][0]["outcome"] == "raised"


def test_a_handler_may_ask_for_its_retry(up: UpProcess, tmp_path: Path) -> None:
    payload = {"file": str(tmp_path / "tries"), "times": 1, "retry_after": 0.2}
    # Its own delay goes before the backoff's, which would be an hour.
    job = up.run_job("fail_first", payload, backoff={"base": 3600, "max": 3600, "jitter": False})
    [attempt] = job["attempts"]
    assert (job["status"], attempt["error"]["type"], attempt["error"]["message"]) == ("succeeded", "Retry", "not yet")
    assert 0.2 <= _seconds(attempt["ended_at"], job["started_at"]) < 3600


def test_a_failed_job_that_is_retried_runs_again_with_its_budget_whole(up: UpProcess, tmp_path: Path) -> None:
    payload = {"file": str(tmp_path / "tries"), "times": 3}
    failed = up.run_job("fail_first", payload, max_attempts=2, backoff=QUICKLY)
    assert (failed["status"], failed["failures"]) == ("failed", 2)
    assert up.post(f"/jobs/{failed['id']}/retry").status == 202
    job = up.wait_for_end(failed["id"])
    assert (job["status"], job["result"], job["attempt"], job["failures"]) == ("succeeded", 4, 2, 1)
    assert len(job["attempts"]) == 3, "what happened before is kept"
    assert (job["error"], job["reason"]) == (None, None)


def test_system_exit_is_a_failed_attempt_and_no_dead_worker(up: UpProcess) -> None:
    job = up.run_job("leave", max_attempts=1)
    assert (job["status"], job["failures"], job["crashes"]) == ("failed", 1, 0)
    assert job["error"]["type"] == "SystemExit"


def test_a_delayed_job_waits_as_scheduled_and_starts_in_time(up: UpProcess) -> None:
    reply = up.post("/jobs", {"delay": 0.5, "payload": "late"})
    assert (reply.status, reply.json["status"]) == (202, "scheduled")
    job = up.wait_for_end(reply.json["id"])
    assert (job["status"], job["result"]) == ("succeeded", "late")
    assert _seconds(job["created_at"], job["started_at"]) >= 0.5


def test_a_job_starts_no_sooner_than_run_at(up: UpProcess) -> None:
    run_at = _from_now(0.5)
    job = up.run_job("echo", run_at=run_at)
    assert job["status"] == "succeeded"
    assert job["run_at"] == run_at
    assert job["started_at"] >= run_at


def test_a_run_at_in_the_past_is_now(up: UpProcess) -> None:
    reply = up.post("/jobs", {"run_at": "2020-02-29T12:00:00+05:30"})
    assert reply.json["status"] == "pending"
    assert up.wait_for_end(reply.json["id"])["status"] == "succeeded"


def test_a_job_that_could_not_start_in_time_expires_even_while_paused(up: UpProcess) -> None:
    with up.paused():
        job_id = up.submit("echo", expires_at=_from_now(1))
        assert up.job(job_id)["status"] == "pending"
        wait_until(lambda: up.job(job_id)["status"] == "expired")
    job = up.wait_for_end(job_id)
    assert (job["status"], job["attempt"], job["started_at"]) == ("expired", 0, None)


def test_a_job_that_starts_in_time_does_not_expire(up: UpProcess) -> None:
    assert up.run_job("echo", expires_at=_from_now(60))["status"] == "succeeded"


def _from_now(seconds: float) -> str:
    instant = datetime.now(UTC) + timedelta(seconds=seconds)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
