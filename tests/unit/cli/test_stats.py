"""`jobworker stats`."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def period(*types: dict[str, Any]) -> dict[str, Any]:
    return {"since": "2026-11-24T03:00:00.000Z", "until": "2026-11-24T04:00:00.000Z", "types": list(types)}


def sums(**changes: Any) -> dict[str, Any]:
    return {
        "type": "echo",
        "runs": 4,
        "outcomes": {"succeeded": 3, "timed_out": 1},
        "wall_seconds": 120.0,
        "mean_wall_seconds": 30.0,
        "cpu_user_seconds": 0.5,
        "cpu_system_seconds": 0.25,
        "peak_rss_bytes": 33 * 2**20,
        **changes,
    }


def test_the_last_hour_is_a_table(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"hour": period(sums()), "day": period()})
    title, row = invoke("stats").stdout.splitlines()
    assert title.split() == ["TYPE", "RUNS", "MEAN", "WALL", "CPU", "USER", "CPU", "SYSTEM", "PEAK", "OUTCOMES"]
    assert " ".join(row.split()) == "echo 4 30 s 2 min 0.5 s 0.25 s 33 MiB 3 succeeded, 1 timed_out"
    assert stub.asked[0].path == "/stats"


def test_the_last_day_is_another(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"hour": period(), "day": period(sums(peak_rss_bytes=None))})
    _, row = invoke("stats", "--day").stdout.splitlines()
    assert " - " in row


def test_the_answer_itself_can_be_had(invoke: Invoke, stub: StubApi) -> None:
    answer = {"hour": period(sums()), "day": period()}
    stub.will_answer(answer)
    assert json.loads(invoke("stats", "--json").stdout) == answer
