"""How a job looks in an answer."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobworker.api.declaration import Declaration
from jobworker.api.views import format_instant, view_job
from jobworker.store.backoff import Backoff
from jobworker.store.job import Attempt, AttemptDetail, ErrorInfo, JobRecord, Receipt
from jobworker.store.states import JobState, KilledBy, Outcome

CREATED_MS = 1_769_850_000_000
DECLARED = Declaration("default", 5, 300_000, 3, 4, Backoff(), None)


def view(**fields: Any) -> Any:
    record = JobRecord(
        **{
            "now_ms": CREATED_MS + 60_000,
            "id": "an-id",
            "type": "echo",
            "queue": "default",
            "priority": 5,
            "status": JobState.PENDING,
            "payload": b"null",
            "created_ms": CREATED_MS,
            "run_at_ms": CREATED_MS,
            **fields,
        }
    )
    return msgspec.json.decode(msgspec.json.encode(view_job(record, DECLARED)))


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    job = view(run_at_ms=CREATED_MS + 1, expires_ms=CREATED_MS + 999, cancel_requested_ms=CREATED_MS + 1000)
    assert job["created_at"] == "2026-01-31T09:00:00.000Z"
    assert job["run_at"] == "2026-01-31T09:00:00.001Z"
    assert job["expires_at"] == "2026-01-31T09:00:00.999Z"
    assert job["cancel_requested_at"] == "2026-01-31T09:00:01.000Z"


@given(st.integers(0, 253_402_300_799_999))
def test_every_instant_survives_the_way_to_text_and_back(ms: int) -> None:
    instant = datetime.fromisoformat(format_instant(ms))
    assert round(instant.timestamp() * 1000) == ms


@pytest.mark.parametrize(
    ("fields", "wait_seconds", "run_seconds"),
    [
        ({}, None, None),
        ({"started_ms": CREATED_MS + 1500}, 1.5, None),
        ({"started_ms": CREATED_MS + 1500, "ended_ms": CREATED_MS + 1750}, 1.5, 0.25),
        ({"run_at_ms": CREATED_MS + 1000, "started_ms": CREATED_MS + 1500}, 0.5, None),
        # It was run, and waits for its retry.
        ({"run_at_ms": CREATED_MS + 9000, "started_ms": CREATED_MS + 1500}, None, None),
        ({"ended_ms": CREATED_MS + 1500}, None, None),
    ],
)
def test_waiting_counts_from_the_due_time_and_running_to_the_end(
    fields: dict[str, int], wait_seconds: float | None, run_seconds: float | None
) -> None:
    job = view(**fields)
    assert (job["wait_seconds"], job["run_seconds"]) == (wait_seconds, run_seconds)


def test_what_the_record_leaves_open_is_what_the_declaration_says() -> None:
    job = view()
    assert (job["timeout"], job["max_attempts"], job["max_crashes"]) == (300.0, 3, 4)


def test_what_the_record_says_is_shown() -> None:
    job = view(timeout_ms=1500, max_attempts=7, max_crashes=8, memory_limit_mb=9)
    assert (job["timeout"], job["max_attempts"], job["max_crashes"], job["memory_limit_mb"]) == (1.5, 7, 8, 9)


def test_no_deadline_is_null() -> None:
    assert view(timeout_ms=0)["timeout"] is None


def test_payload_and_result_are_json_values() -> None:
    job = view(payload=b'{"a": [1]}', result=b'"done"')
    assert (job["payload"], job["result"]) == ({"a": [1]}, "done")


def test_a_result_of_null_and_no_result_look_alike() -> None:
    assert view(result=b"null")["result"] is None
    assert view(result=None)["result"] is None


def test_an_attempt_is_shown_whole() -> None:
    receipt = Receipt(wall_seconds=1.0, cpu_user_seconds=0.5, cpu_system_seconds=0.25, peak_rss_bytes=1024)
    detail = AttemptDetail(
        error=ErrorInfo("ValueError", "no", "Traceback…"),
        signal="SIGKILL",
        exit_code=-9,
        receipt=receipt,
        reason="why",
        stack="Thread …",
        killed_by=KilledBy.DEADLINE,
    )
    attempt = Attempt(Outcome.TIMED_OUT, 2, CREATED_MS, CREATED_MS + 1250, "alpha", 7, 4711, detail)
    assert view(attempts=(attempt,))["attempts"] == [
        {
            "attempt": 2,
            "outcome": "timed_out",
            "started_at": "2026-01-31T09:00:00.000Z",
            "ended_at": "2026-01-31T09:00:01.250Z",
            "duration": 1.25,
            "error": {"type": "ValueError", "message": "no", "traceback": "Traceback…"},
            "signal": "SIGKILL",
            "exit_code": -9,
            "killed_by": "deadline",
            "worker": 4711,
            "supervisor": "alpha",
            "receipt": {
                "wall_seconds": 1.0,
                "cpu_user_seconds": 0.5,
                "cpu_system_seconds": 0.25,
                "peak_rss_bytes": 1024,
            },
            "reason": "why",
            "stack": "Thread …",
            "no_stack": None,
        }
    ]


def test_an_attempt_of_which_little_is_known_has_nulls() -> None:
    attempt = Attempt(Outcome.LOST, 1, CREATED_MS, CREATED_MS, "alpha", 7, 4711, AttemptDetail())
    [shown] = view(attempts=(attempt,))["attempts"]
    assert [name for name, value in shown.items() if value is None] == [
        *("error", "signal", "exit_code", "killed_by", "receipt", "reason", "stack", "no_stack")
    ]


def test_who_ran_it_and_why_it_failed_are_shown() -> None:
    job = view(
        status=JobState.FAILED, owner="alpha", worker=4711, reason="crash_loop", error=ErrorInfo("crashed", "SIGSEGV")
    )
    assert (job["status"], job["supervisor"], job["worker"], job["reason"]) == ("failed", "alpha", 4711, "crash_loop")
    assert job["error"] == {"type": "crashed", "message": "SIGSEGV", "traceback": None}
