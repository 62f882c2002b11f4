"""`jobworker explain`."""

from collections.abc import Callable

from click.testing import Result

from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def test_each_reason_is_a_line(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"id": "0192", "summary": "2nd of 3 in queue mail; queue mail is paused by x\x1b"})
    assert invoke("explain", "0192").output == "2nd of 3 in queue mail\nqueue mail is paused by x\\x1b\n"
    assert stub.asked[0].path == "/jobs/0192/explain"


def test_json_prints_the_answer(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"id": "0192"})
    assert invoke("explain", "0192", "--json").output == '{"id":"0192"}\n'
