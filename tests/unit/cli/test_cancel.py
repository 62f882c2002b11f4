from collections.abc import Callable

import pytest
from click.testing import Result

from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def asked(stub: StubApi) -> list[tuple[str, str, object]]:
    return [(each.method, each.path, each.body) for each in stub.asked]


def test_cancel_says_what_became_of_each(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"id": "a", "status": "cancelled", "cancel_requested_at": None})
    stub.will_answer({"id": "b", "status": "running", "cancel_requested_at": "2026-11-24T04:00:00.000Z"}, 202)
    result = invoke("cancel", "a", "b")
    assert (result.output, result.return_value) == ("a cancelled\nb running, asked to end\n", 0)
    assert asked(stub) == [("POST", "/jobs/a/cancel", {}), ("POST", "/jobs/b/cancel", {})]


def test_retry_says_where_each_is_now(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"id": "a", "status": "pending"}, 202)
    result = invoke("retry", "a")
    assert (result.output, result.return_value) == ("a pending\n", 0)
    assert asked(stub) == [("POST", "/jobs/a/retry", {})]


def test_delete_says_what_is_gone(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(b"", 204)
    stub.will_answer(b"", 204)
    result = invoke("delete", "a", "../b")
    assert (result.output, result.return_value) == ("a deleted\n../b deleted\n", 0)
    assert asked(stub) == [("DELETE", "/jobs/a", None), ("DELETE", "/jobs/..%2Fb", None)]


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_json_prints_each_answer(stub: StubApi, invoke: Invoke, command: str) -> None:
    stub.will_answer({"id": "a", "status": "cancelled"})
    stub.will_answer({"id": "b", "status": "pending"})
    lines = invoke(command, "a", "b", "--json").output.splitlines()
    assert lines == ['{"id":"a","status":"cancelled"}', '{"id":"b","status":"pending"}']


def test_json_of_delete_says_what_is_gone(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(b"", 204)
    assert invoke("delete", "a", "--json").output == '{"id":"a","status":"deleted"}\n'


@pytest.mark.parametrize("command", ["cancel", "retry", "delete"])
def test_every_job_is_tried_and_the_worst_code_wins(stub: StubApi, invoke: Invoke, command: str) -> None:
    stub.will_refuse(503, "Redis is away", Retry_After="1")
    stub.will_refuse(409, "it has ended")
    stub.will_answer({"id": "c", "status": "done"})
    result = invoke(command, "a", "b", "c")
    assert result.stderr.splitlines() == ["jobworker: a: Redis is away", "jobworker: b: it has ended"]
    assert (result.stdout.split()[0], result.return_value, len(stub.asked)) == ("c", 3, 3)


def test_a_refusal_alone_is_code_1(stub: StubApi, invoke: Invoke) -> None:
    stub.will_refuse(404, "no job has this id")
    assert invoke("delete", "a").return_value == 1


def test_an_api_that_is_not_there_is_code_3(invoke: Invoke, free_url: str) -> None:
    result = invoke("cancel", "a", "--url", free_url)
    assert (result.return_value, "a: the API at" in result.stderr) == (3, True)


@pytest.mark.parametrize("command", ["cancel", "retry", "delete"])
def test_without_an_id_it_is_a_usage_error(stub: StubApi, invoke: Invoke, command: str) -> None:
    assert type(invoke(command).exception).__name__ == "MissingParameter"
