"""`jobworker watch`."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from jobworker.cli.watch import show_live
from tests.unit.cli.stub_api import StubApi
from tests.unit.cli.test_fleet import queue, worker
from tests.unit.cli.test_stats import period, sums

Invoke = Callable[..., Result]


def will_show(stub: StubApi, **changes: Any) -> None:
    stub.will_answer({"items": [queue(**changes)]})
    stub.will_answer({"items": [worker()]})
    stub.will_answer({"hour": period(sums()), "day": period()})


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[float]]:
    """Lets the command look so many times, then interrupts it; returns the times it has slept."""

    def allow(count: int) -> list[float]:
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == count:
                raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", sleep)
        return slept

    return allow


def test_each_look_is_three_tables(invoke: Invoke, stub: StubApi, turns: Callable[[int], list[float]]) -> None:
    will_show(stub, pending=12)
    will_show(stub, pending=13)
    slept = turns(2)
    lines = [line.split() for line in invoke("watch", "--every", "0.5").stdout.splitlines()]
    assert [line[0] for line in lines if line] == [
        *("queues", "QUEUE", "mail", "workers", "SUPERVISOR", "one", "last", "TYPE", "echo"),
    ] * 2
    assert [line[1] for line in lines if line and line[0] == "mail"] == ["12", "13"]
    assert slept == [0.5, 0.5]
    assert [asked.path for asked in stub.asked] == ["/queues", "/workers", "/stats"] * 2


def test_as_json_each_look_is_a_line(invoke: Invoke, stub: StubApi, turns: Callable[[int], list[float]]) -> None:
    will_show(stub)
    turns(1)
    (line,) = invoke("watch", "--json").stdout.splitlines()
    assert {name: len(items) for name, items in json.loads(line).items()} == {"queues": 1, "workers": 1, "last hour": 1}


def test_an_outage_is_told_and_watched_on(invoke: Invoke, stub: StubApi, turns: Callable[[int], list[float]]) -> None:
    will_show(stub)
    stub.will_refuse(503, "Redis is away")
    will_show(stub)
    turns(3)
    lines = invoke("watch", "--json").stdout.splitlines()
    assert ["error" in json.loads(line) for line in lines] == [False, True, False]
    assert "Redis is away" in lines[1]


def test_on_a_terminal_the_last_look_is_drawn_over_the_one_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    show_live(iter([{"queues": [queue()], "workers": [worker()], "last hour": [sums()]}, "Redis is away\x1b[2J"]))
    printed = capsys.readouterr().out
    assert "SERVED BY" in printed
    assert "Redis is away\\x1b[2J" in printed
