from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]

COMMANDS = ["queues", "workers", "handlers", "supervisors"]
SINCE = "2026-11-24T04:00:00.000Z"


def queue(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mail",
        "pending": 12,
        "by_priority": {"10": 2, "5": 10},
        "oldest_at": SINCE,
        "oldest_seconds": 90.0,
        "pause": None,
        "supervisors": ["one", "two"],
        **changes,
    }


def worker(**changes: Any) -> dict[str, Any]:
    return {
        "supervisor": "one",
        "pid": 77,
        "state": "busy",
        "started_at": SINCE,
        "jobs": 3,
        "rss_bytes": 33 * 2**20,
        "cpu_seconds": 1.25,
        "job": {"id": "0192", "type": "echo", "attempt": 2, "started_at": SINCE, "run_seconds": 4.5},
        **changes,
    }


def supervisor(**changes: Any) -> dict[str, Any]:
    return {
        "name": "one",
        "epoch": 1,
        "host": "vm",
        "pid": 5,
        "version": "0.1.0",
        "workers": 2,
        "queues": [],
        "started_at": SINCE,
        "heard_at": SINCE,
        "lease_left_seconds": 14.0,
        "running": 1,
        "restarts": 3,
        "held_types": [],
        **changes,
    }


def handler(**changes: Any) -> dict[str, Any]:
    return {
        "type": "echo",
        "description": "Says it again.\nAnd again.",
        "schema": {},
        "defaults": {},
        "digest": "d",
        "seen_at": SINCE,
        **changes,
    }


def rows(stub: StubApi, invoke: Invoke, command: str, *items: dict[str, Any]) -> list[list[str]]:
    """Return the cells of what the command prints, row by row; cells are two blanks apart."""
    stub.will_answer({"items": items})
    lines = invoke(command).output.splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_asks_for_its_list_and_shows_its_titles(stub: StubApi, invoke: Invoke, command: str) -> None:
    [titles] = rows(stub, invoke, command)
    assert titles[0] in {"QUEUE", "SUPERVISOR", "TYPE"}
    assert [(asked.method, asked.path) for asked in stub.asked] == [("GET", f"/{command}")]


@pytest.mark.parametrize("command", COMMANDS)
def test_json_prints_the_answer(stub: StubApi, invoke: Invoke, command: str) -> None:
    stub.will_answer({"items": [{"any": None}]})
    assert invoke(command, "--json").output == '{"items":[{"any":null}]}\n'


@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_is_one_line(stub: StubApi, invoke: Invoke, command: str) -> None:
    stub.will_refuse(503, "Redis is away")
    result = invoke(command)
    assert sentence(result) == "Redis is away"
    assert getattr(result.exception, "exit_code", None) == 3


def test_a_queue_is_shown_with_what_waits_and_for_whom(stub: StubApi, invoke: Invoke) -> None:
    _, row = rows(stub, invoke, "queues", queue())
    assert row == ["mail", "12", "1.5 min", "10:2 5:10", "one two", "-"]


def test_an_empty_queue_that_nobody_serves_is_shown(stub: StubApi, invoke: Invoke) -> None:
    empty = queue(pending=0, by_priority={}, oldest_at=None, oldest_seconds=None, supervisors=[])
    _, row = rows(stub, invoke, "queues", empty)
    assert row == ["mail", "0", "-", "-", "nobody", "-"]


@pytest.mark.parametrize(
    ("of", "reason", "shown"),
    [
        ("mail", "disk full", f"since {SINCE}, by api ::1: disk full"),
        (None, None, f"everything, since {SINCE}, by api ::1"),
    ],
)
def test_a_pause_is_shown_with_who_when_and_why(
    stub: StubApi, invoke: Invoke, of: str | None, reason: str | None, shown: str
) -> None:
    pause = {"queue": of, "who": "api ::1", "since": SINCE, "reason": reason}
    assert rows(stub, invoke, "queues", queue(pause=pause))[1][-1] == shown


def test_a_busy_worker_is_shown_with_its_job(stub: StubApi, invoke: Invoke) -> None:
    _, row = rows(stub, invoke, "workers", worker())
    assert row == ["one", "77", "busy", "0192", "echo", "2", "4.5 s", "33 MiB", "1.25 s", "3"]


def test_an_idle_worker_and_an_unknown_one_are_shown_with_dashes(stub: StubApi, invoke: Invoke) -> None:
    unknown = dict.fromkeys(("started_at", "jobs", "rss_bytes", "cpu_seconds"))
    _, idle, new = rows(stub, invoke, "workers", worker(state="idle", job=None), worker(**unknown))
    assert idle == ["one", "77", "idle", "-", "-", "-", "-", "33 MiB", "1.25 s", "3"]
    assert new[-3:] == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("shares", "shown"),
    [
        ([], "all"),
        ([{"name": "a", "weight": 3}, {"name": "b", "weight": 1}], "a=3 b=1"),
        ([{"name": "a", "weight": None}], "a"),
    ],
)
def test_a_supervisor_is_shown_with_the_queues_it_serves(
    stub: StubApi, invoke: Invoke, shares: list[dict[str, Any]], shown: str
) -> None:
    _, row = rows(stub, invoke, "supervisors", supervisor(queues=shares))
    assert row == ["one", "vm", "5", "0.1.0", "1", "2", "3", shown, SINCE, SINCE]


def test_of_a_supervisor_whose_record_is_gone_the_rest_is_shown(stub: StubApi, invoke: Invoke) -> None:
    unknown = dict.fromkeys(("host", "pid", "version", "workers", "restarts", "heard_at"))
    _, row = rows(stub, invoke, "supervisors", supervisor(queues=[], **unknown))
    assert row == ["one", "-", "-", "-", "1", "-", "-", "all", SINCE, "-"]


@pytest.mark.parametrize(
    ("defaults", "shown"),
    [
        ({}, ["-", "-", "-", "-"]),
        ({"queue": "mail", "priority": 9, "timeout": 90.0, "max_attempts": 5}, ["mail", "9", "1.5 min", "5"]),
        ({"timeout": None}, ["-", "-", "none", "-"]),
    ],
)
def test_a_handler_is_shown_with_what_it_declares(
    stub: StubApi, invoke: Invoke, defaults: dict[str, Any], shown: list[str]
) -> None:
    _, row = rows(stub, invoke, "handlers", handler(defaults=defaults))
    assert row == ["echo", *shown, SINCE, "Says it again. And again."]
