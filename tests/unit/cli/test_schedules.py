"""`jobworker schedules` and `jobworker schedule …`."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def schedule(**changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("every", "at", "paused_since", "paused_by", "pause_reason", "last_error", "last_fired"))
    facts = {"name": "report", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "job": {"type": "echo"}}
    return {**nothing, **facts, "next_due": "2026-11-26T02:00:00.000Z", "last_job": None, **changes}


def test_schedules_are_listed_with_when_and_what(invoke: Invoke, stub: StubApi) -> None:
    paused = {"paused_since": "x", "paused_by": "ops", "pause_reason": "holidays", "next_due": None}
    other = schedule(name="ping", cron=None, timezone=None, every=1.5, last_error="no such type")
    stub.will_answer({"items": [schedule(**paused), other, schedule(name="once", cron=None, at="then")]})
    lines = [" ".join(line.split()) for line in invoke("schedules").stdout.splitlines()]
    assert lines == [
        "SCHEDULE WHEN TYPE NEXT LAST LAST JOB TROUBLE",
        "report 0 3 * * * Europe/Berlin echo - - - paused by ops: holidays",
        "ping every 1.5 s echo 2026-11-26T02:00:00.000Z - - no such type",
        "once at then echo 2026-11-26T02:00:00.000Z - -",
    ]


def test_one_is_shown_with_its_next_times(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer(schedule(preview=["2026-11-26T02:00:00.000Z", "2026-11-27T02:00:00.000Z"]))
    assert invoke("schedule", "show", "report", "--preview", "2").stdout.splitlines()[2:] == [
        "2026-11-26T02:00:00.000Z",
        "2026-11-27T02:00:00.000Z",
    ]
    assert stub.asked[0].path == "/schedules/report?preview=2"


def test_one_is_put_by_its_json(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer(schedule(), 201)
    assert invoke("schedule", "put", "a/b", '{"every": 60, "job": {}}').stdout == "a/b is put\n"
    (asked,) = stub.asked
    assert (asked.method, asked.path, asked.body) == ("PUT", "/schedules/a%2Fb", {"every": 60, "job": {}})
    assert "JSON is none" in sentence(invoke("schedule", "put", "a", "{"))


@pytest.mark.parametrize(
    ("arguments", "path", "body", "said"),
    [
        (("pause", "r", "--reason", "holidays"), "/schedules/r/pause", {"reason": "holidays"}, "r is paused\n"),
        (("resume", "r"), "/schedules/r/resume", {}, "r goes on\n"),
        (("trigger", "r"), "/schedules/r/trigger", {}, "0192\n"),
    ],
)
def test_it_is_paused_resumed_and_triggered(
    invoke: Invoke, stub: StubApi, arguments: tuple[str, ...], path: str, body: dict[str, str], said: str
) -> None:
    stub.will_answer({"id": "0192"})
    assert invoke("schedule", *arguments).stdout == said
    assert (stub.asked[0].method, stub.asked[0].path, stub.asked[0].body) == ("POST", path, body)


def test_it_is_deleted(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer(None, 204)
    assert invoke("schedule", "delete", "r").exit_code == 0
    assert (stub.asked[0].method, stub.asked[0].path) == ("DELETE", "/schedules/r")
