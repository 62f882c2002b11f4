"""`jobworker stack`, `scale` and `drain`."""

from collections.abc import Callable

from click import BadParameter
from click.testing import Result

from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def test_stack_shows_where_a_job_is(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"id": "7", "attempt": 1, "taken_at": "now", "stack": 'File "work.py", line 3 in naps\n'})
    assert 'File "work.py", line 3 in naps' in invoke("stack", "7").output
    assert (stub.asked[0].path, stub.asked[0].body) == ("/jobs/7/stack", {})


def test_where_nothing_answers_it_says_why(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"id": "7", "attempt": 1, "taken_at": "now", "stack": None, "no_stack": "it sleeps"})
    assert invoke("stack", "7").output == "no stack: it sleeps\n"


def test_scale_asks_for_workers(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"name": "one", "workers": 4})
    assert invoke("scale", "one", "4").output == "one asked for 4 workers\n"
    assert (stub.asked[0].path, stub.asked[0].body) == ("/supervisors/one/scale", {"workers": 4})


def test_a_number_of_workers_that_cannot_be_is_a_usage_error(stub: StubApi, invoke: Invoke) -> None:
    assert isinstance(invoke("scale", "one", "0").exception, BadParameter)
    assert stub.asked == []


def test_drain_hands_the_reason_on(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"name": "one", "message": "Supervisor asked to drain"})
    assert invoke("drain", "one", "--reason", "a new kernel").output == "one asked to drain\n"
    assert (stub.asked[0].path, stub.asked[0].body) == ("/supervisors/one/drain", {"reason": "a new kernel"})
