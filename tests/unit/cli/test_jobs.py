from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result

from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def job(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"id-{number}",
        "status": "pending",
        "type": "echo",
        "queue": "default",
        "priority": 5,
        "created_at": "2026-11-24T04:00:00.000Z",
        "ended_at": None,
        "reason": None,
        "error": None,
        **changes,
    }


def page(*jobs: dict[str, Any], next_cursor: str | None = None) -> dict[str, Any]:
    return {"items": list(jobs), "next_cursor": next_cursor}


def queries(stub: StubApi) -> list[dict[str, str]]:
    found = [urlsplit(asked.path) for asked in stub.asked]
    assert {(asked.method, parts.path) for asked, parts in zip(stub.asked, found, strict=True)} == {("GET", "/jobs")}
    return [{name: value for name, [value] in parse_qs(parts.query).items()} for parts in found]


def test_jobs_are_aligned_columns_where_there_is_no_terminal(stub: StubApi, invoke: Invoke) -> None:
    ended = {"status": "failed", "ended_at": "2026-11-24T04:00:02.500Z"}
    error = {"type": "ValueError", "message": "\x1b[2J" + "x" * 100}
    stub.will_answer(page(job(1, priority=10), job(2, **ended, error=error), job(3, **ended, reason="crash_loop")))
    assert invoke("jobs").output.splitlines() == [
        "ID    STATUS   TYPE  QUEUE    PRIORITY  CREATED                   ENDED                     REASON",
        "id-1  pending  echo  default        10  2026-11-24T04:00:00.000Z",
        "id-2  failed   echo  default         5  2026-11-24T04:00:00.000Z  2026-11-24T04:00:02.500Z  "
        "ValueError: \\x1b[2J" + "x" * 44,
        "id-3  failed   echo  default         5  2026-11-24T04:00:00.000Z  2026-11-24T04:00:02.500Z  crash_loop",
    ]


def test_what_a_damaged_record_does_not_tell_is_a_dash(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page(job(1, type=None, queue=None, priority=None, created_at=None)))
    assert invoke("jobs").output.splitlines()[1].split() == ["id-1", "pending", "-", "-", "-", "-"]


def test_filters_are_handed_on(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page())
    invoke("jobs", "--status", "failed", "--type", "a b", "--queue", "images", "--json")
    assert queries(stub) == [{"status": "failed", "type": "a b", "queue": "images", "limit": "50"}]


def test_jobs_are_found_by_tag_and_by_when_they_were_created(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page())
    invoke("jobs", "--tag", "customer=42", "--created-after", "2026-11-24T00:00:00+01:00", "--created-before", "x")
    times = {"created_after": "2026-11-24T00:00:00+01:00", "created_before": "x"}
    assert queries(stub) == [{"tag": "customer=42", **times, "limit": "51"}]


def test_short_pages_are_put_together_until_there_are_enough(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page(job(1), next_cursor="one"))
    stub.will_answer(page(next_cursor="two"))
    stub.will_answer(page(job(2), job(3), next_cursor="three"))
    result = invoke("jobs", "--limit", "3", "--json")
    assert [line[7:11] for line in result.output.splitlines()] == ["id-1", "id-2", "id-3"]
    assert queries(stub) == [
        {"limit": "3"},
        {"limit": "2", "cursor": "one"},
        {"limit": "2", "cursor": "two"},
    ]


def test_all_jobs_are_asked_for_in_the_largest_pages(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page(job(1), next_cursor="one"))
    stub.will_answer(page(job(2)))
    assert len(invoke("jobs", "--all").output.splitlines()) == 3
    assert queries(stub) == [{"limit": "200"}, {"limit": "200", "cursor": "one"}]


def test_a_table_that_leaves_jobs_out_says_so(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page(job(1), job(2), next_cursor="two"))
    result = invoke("jobs", "--limit", "1")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "jobworker: there are more; --limit N or --all shows them\n"


def test_a_table_that_leaves_nothing_out_says_nothing(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(page(job(1)))
    assert invoke("jobs", "--limit", "1").stderr == ""


def test_what_the_api_does_not_allow_is_one_line(stub: StubApi, invoke: Invoke) -> None:
    stub.will_refuse(422, "status must be one of scheduled, pending")
    assert sentence(invoke("jobs", "--status", "done")) == "status must be one of scheduled, pending"


@pytest.mark.parametrize("arguments", [("--limit", "0"), ("--limit", "many"), ("--all", "--limit", "5")])
def test_a_bad_limit_is_a_usage_error(stub: StubApi, invoke: Invoke, arguments: tuple[str, ...]) -> None:
    assert "limit" in sentence(invoke("jobs", *arguments))
    assert stub.asked == []
