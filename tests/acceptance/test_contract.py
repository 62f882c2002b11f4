"""The four endpoints as the customer wrote them."""

import uuid
from pathlib import Path

import pytest

from tests.support.gate import Gate
from tests.support.up_process import UpProcess

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("body", "priority"), [(None, 5), ({}, 5), ({"priority": 5}, 5), ({"priority": 10}, 10)])
def test_a_job_is_taken_with_no_body_or_little_and_ends(up: UpProcess, body: object, priority: int) -> None:
    reply = up.post("/jobs", body)
    accepted = reply.json
    assert reply.status == 202
    assert uuid.UUID(accepted["id"])
    assert accepted["status"] == "pending"
    assert reply.headers["Location"] == f"/jobs/{accepted['id']}"
    job = up.wait_for_end(accepted["id"])
    assert (job["status"], job["type"], job["priority"], job["attempt"]) == ("succeeded", "echo", priority, 1)


def test_get_tells_the_status_at_every_stage(up: UpProcess, gate: Gate) -> None:
    with up.paused():
        job_id = up.submit("gate", gate.payload)
        assert up.job(job_id)["status"] == "pending"
    gate.wait_for_attempt()
    assert up.job(job_id)["status"] == "running"
    gate.open()
    assert up.wait_for_end(job_id)["status"] == "succeeded"


def test_pause_and_resume_answer_as_agreed_and_stop_what_has_not_started(up: UpProcess, gate: Gate) -> None:
    running = up.submit("gate", gate.payload)
    gate.wait_for_attempt()
    paused = up.post("/jobs/pause")
    try:
        waiting = up.submit("echo", 1)
        gate.open()
        # What runs goes on; afterwards a worker is free, and still nothing is started.
        assert up.wait_for_end(running)["status"] == "succeeded"
        assert up.job(waiting)["status"] == "pending"
        assert any(warning.startswith("paused: every queue") for warning in up.get("/readyz").json["warnings"])
    finally:
        resumed = up.post("/jobs/resume")
    assert (paused.status, paused.json["message"]) == (200, "Job processing paused")
    assert (resumed.status, resumed.json["message"]) == (200, "Job processing resumed")
    assert up.wait_for_end(waiting)["result"] == 1


def test_a_pause_of_one_queue_holds_only_that_queue(up: UpProcess) -> None:
    assert up.post("/jobs/pause", {"queue": "slow", "reason": "maintenance"}).json["queue"] == "slow"
    try:
        held = up.submit("echo", 1, queue="slow")
        assert up.run_job("echo", 2)["status"] == "succeeded"
        assert up.job(held)["status"] == "pending"
    finally:
        up.post("/jobs/resume", {"queue": "slow"})
    assert up.wait_for_end(held)["status"] == "succeeded"


def test_the_highest_priority_goes_first_and_equals_in_order(up: UpProcess, gate: Gate, tmp_path: Path) -> None:
    order = tmp_path / "order"
    # One of the two workers is kept busy: what is left runs one job after the other.
    blocker = up.submit("gate", gate.payload)
    gate.wait_for_attempt()
    with up.paused():
        priorities = [3, 10, 1, 5, 7, 5, 9, 2, 8, 6, 4, 10]
        marks = [f"{priority} {number}" for number, priority in enumerate(priorities)]
        jobs = [
            up.submit("mark", {"file": str(order), "mark": mark}, priority=priority)
            for mark, priority in zip(marks, priorities, strict=True)
        ]
    for job_id in jobs:
        assert up.wait_for_end(job_id)["status"] == "succeeded"
    gate.open()
    up.wait_for_end(blocker)
    by_number = sorted(marks, key=lambda mark: (-int(mark.split()[0]), int(mark.split()[1])))
    assert order.read_text().splitlines() == by_number


def test_the_whole_answer_of_a_job_that_succeeded(up: UpProcess) -> None:
    job = up.run_job("sum", {"a": 2, "b": 3}, priority=7, queue="sums", timeout=9, max_attempts=2, max_crashes=4)
    expected = {
        "type": "sum",
        "queue": "sums",
        "priority": 7,
        "status": "succeeded",
        "payload": {"a": 2, "b": 3},
        "result": 5,
        "attempt": 1,
        "failures": 0,
        "crashes": 0,
        "max_attempts": 2,
        "max_crashes": 4,
        "timeout": 9.0,
        "error": None,
        "reason": None,
        "attempts": [],
        "expires_at": None,
        "cancel_requested_at": None,
    }
    assert {name: job[name] for name in expected} == expected
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert job["wait_seconds"] >= 0
    assert job["run_seconds"] >= 0
    assert job["receipt"]["cpu_user_seconds"] >= 0


def test_live_and_ready(up: UpProcess) -> None:
    assert up.get("/livez").status == 200
    ready = up.get("/readyz")
    assert (ready.status, ready.json["warnings"]) == (200, [])
