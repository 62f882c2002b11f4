"""POST /supervisors/{name}/scale and /drain, POST /jobs/{id}/stack: what is asked is in Redis when it is answered."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.api.conftest import Api

Supervise = Callable[..., int]


def requests_of(api: Api, epoch: int) -> dict[str, str]:
    found: Any = api.client.hgetall(api.keys.requests("alpha", epoch))
    return {field.decode(): value.decode().partition(" ")[2] for field, value in found.items()}


def test_a_supervisor_is_asked_for_so_many_workers(api: Api, supervise: Supervise) -> None:
    epoch = supervise("alpha")
    answer = api.post("/supervisors/alpha/scale", {"workers": 7})
    assert (answer.status, answer.json) == (202, {"name": "alpha", "workers": 7})
    assert requests_of(api, epoch) == {"scale": "7"}
    assert api.client.lrange(api.keys.inbox("alpha"), 0, -1) == [b"request"]


def test_a_supervisor_is_asked_to_drain_and_hears_who_and_why(api: Api, supervise: Supervise) -> None:
    epoch = supervise("alpha")
    assert api.post("/supervisors/alpha/drain", {"reason": "a new kernel"}).status == 202
    assert requests_of(api, epoch) == {"drain": '{"who":"api 127.0.0.1","reason":"a new kernel"}'}


@pytest.mark.parametrize(
    ("body", "words"),
    [({}, "how many workers"), *(({"workers": number}, "workers") for number in (0, 1001, "2"))],
)
def test_a_number_that_cannot_be_is_refused_and_nothing_is_asked(
    api: Api, supervise: Supervise, body: object, words: str
) -> None:
    epoch = supervise("alpha")
    answer = api.post("/supervisors/alpha/scale", body)
    assert answer.status == 422
    assert words in str(answer.json)
    assert requests_of(api, epoch) == {}


@pytest.mark.parametrize("what", ["scale", "drain"])
def test_of_a_supervisor_that_is_not_there_nothing_is_asked(api: Api, what: str) -> None:
    answer = api.post(f"/supervisors/nobody/{what}", {"workers": 2} if what == "scale" else {})
    assert (answer.status, api.client.keys("*requests*")) == (404, [])
    assert answer.json["detail"] == "no supervisor nobody is alive; GET /supervisors lists those that are"


def test_of_a_job_that_does_not_run_there_is_no_stack(api: Api) -> None:
    answer = api.post(f"/jobs/{api.submit()}/stack", {})
    assert answer.status == 409
    assert answer.json["detail"].endswith("does not run: it is pending")


def test_a_supervisor_that_does_not_answer_is_no_reason_to_wait_for_ever(
    api: Api, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobworker.api.resources.stack.PATIENCE_SECONDS", 0.02)
    job_id = api.submit()
    epoch = supervise("alpha", claim_for=[7])
    answer = api.post(f"/jobs/{job_id}/stack", {})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "supervisor alpha has not answered" in answer.json["detail"]
    assert list(requests_of(api, epoch)) == [f"stack:{job_id}"]
