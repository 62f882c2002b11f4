import pytest

from jobworker.cli.errors import Refused
from jobworker.cli.http import ApiClient
from jobworker.cli.waiting import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, wait
from jobworker.store.settings import ClientSettings
from tests.unit.cli.stub_api import StubApi


def waits(stub: StubApi) -> list[float]:
    slept: list[float] = []
    with ApiClient(ClientSettings(url=stub.url)) as client:
        assert wait(client, "1", sleep=slept.append)["status"] == "succeeded"
    return slept


def test_an_ended_job_is_not_waited_for(stub: StubApi) -> None:
    stub.will_answer({"status": "succeeded"})
    assert waits(stub) == []


def test_the_pauses_grow_to_a_second(stub: StubApi) -> None:
    for _ in range(12):
        stub.will_answer({"status": "running"})
    stub.will_answer({"status": "succeeded"})
    slept = waits(stub)
    assert slept[0] == FIRST_PAUSE_SECONDS
    assert slept == sorted(slept)
    assert slept[-1] == LONGEST_PAUSE_SECONDS


def test_a_503_is_waited_out_as_long_as_it_says_within_bounds(stub: StubApi) -> None:
    stub.will_refuse(503, "away", Retry_After="2")
    stub.will_refuse(503, "away", Retry_After="600")
    stub.will_answer({"status": "succeeded"})
    assert waits(stub) == [2.0, 5.0]


def test_a_job_that_is_gone_is_not_waited_for(stub: StubApi) -> None:
    stub.will_refuse(404, "no job has the id 1")
    with ApiClient(ClientSettings(url=stub.url)) as client, pytest.raises(Refused, match="no job has the id 1"):
        wait(client, "1", sleep=lambda _: None)
