"""The log of a supervisor: one object a line, and none about a job that went well."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.support.command import Command
from tests.support.supervisor_process import Workplace

pytestmark = pytest.mark.real


def lines(supervisor: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in supervisor.err.splitlines()]


def test_a_hundred_jobs_that_succeed_leave_no_line(place: Workplace) -> None:
    supervisor = place.start()
    supervisor.wait_for("ready")
    supervisor.wait_for("agree")
    before = lines(supervisor)
    jobs = [place.submit("pid") for _ in range(100)]
    assert {place.end(job_id).status for job_id in jobs} == {"succeeded"}
    assert [line for line in lines(supervisor)[len(before) :] if line["event"] != SLOW] == []


#: A machine that is busy may have this to say; it is about no job.
SLOW = "the loop was blocked; deadlines and cancels waited"


def test_each_line_says_when_how_grave_and_what(place: Workplace) -> None:
    supervisor = place.start()
    supervisor.wait_for("ready")
    job_id = place.submit("crash", {"exit_code": 3}, max_crashes=1)
    place.end(job_id)
    supervisor.wait_for("worker died")
    for line in lines(supervisor):
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
        assert line["level"] in {"debug", "info", "warning", "error"}
        assert line["event"]
    (death,) = [line for line in lines(supervisor) if line["event"] == "worker died"]
    assert (death["job"], death["type"], death["attempt"], death["outcome"]) == (job_id, "crash", 1, "crashed")
    assert death["worker"] > 0
