from collections.abc import Callable

import pytest
from click.testing import Result

from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def test_pause_without_a_queue_pauses_everything(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"message": "Job processing paused", "queue": None})
    assert invoke("pause").output == "Job processing paused\n"
    assert (stub.asked[0].path, stub.asked[0].body) == ("/jobs/pause", {})


def test_pause_hands_queue_and_reason_on(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"message": "Job processing paused", "queue": "images"})
    result = invoke("pause", "--queue", "images", "--reason", "disk full")
    assert result.output == "Job processing paused in queue images\n"
    assert stub.asked[0].body == {"queue": "images", "reason": "disk full"}


def test_resume_hands_the_queue_on(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"message": "Job processing resumed", "queue": "images"})
    assert invoke("resume", "--queue", "images").output == "Job processing resumed in queue images\n"
    assert (stub.asked[0].path, stub.asked[0].body) == ("/jobs/resume", {"queue": "images"})


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_json_prints_the_answer(stub: StubApi, invoke: Invoke, command: str) -> None:
    stub.will_answer({"message": "done", "queue": None})
    assert invoke(command, "--json").output == '{"message":"done","queue":null}\n'


def test_a_bad_queue_is_refused_in_one_line(stub: StubApi, invoke: Invoke) -> None:
    stub.will_refuse(422, "a queue's name has no slash", "/queue")
    assert sentence(invoke("pause", "--queue", "a/b")) == "/queue: a queue's name has no slash"
