"""GET /jobs/{job_id}/explain and GET /jobs/{job_id}/result."""

from collections.abc import Callable

import pytest

from tests.unit.api.conftest import Api

UNKNOWN = "019329f0-0000-7000-8000-000000000001"


def test_a_job_that_waits_is_explained_from_what_redis_knows(api: Api, supervise: Callable[..., int]) -> None:
    api.submit(queue="mail", priority=9)
    job_id = api.submit(queue="mail")
    api.submit(queue="mail", priority=1)
    supervise("alpha")
    api.post("/jobs/pause", {"queue": "mail", "reason": "a flood"})
    answer = api.get(f"/jobs/{job_id}/explain")
    assert answer.status == 200
    assert (answer.json["position"], answer.json["pending"]) == (2, 3)
    assert answer.json["summary"].startswith("2nd of 3 in queue mail; queue mail is paused by api 127.0.0.1 since ")
    assert answer.json["supervisors"] == ["alpha"]


def test_one_that_runs_and_one_that_is_cancelled_are_explained(api: Api, start_next: Callable[[], None]) -> None:
    job_id = api.submit()
    start_next()
    assert api.get(f"/jobs/{job_id}/explain").json["summary"].startswith("attempt 1 runs since ")
    other = api.submit(delay=60)
    assert ", in " in api.get(f"/jobs/{other}/explain").json["summary"]
    api.post(f"/jobs/{other}/cancel")
    assert api.get(f"/jobs/{other}/explain").json["summary"].startswith("cancelled at ")


@pytest.mark.parametrize("what", ["explain", "result"])
def test_what_is_not_there_is_404(api: Api, what: str) -> None:
    assert api.get(f"/jobs/{UNKNOWN}/{what}").status == 404
    assert api.get(f"/jobs/nonsense/{what}").status == 404
    assert api.get(f"/jobs/{UNKNOWN}/{what}?a=1").status == 422


def test_a_result_is_answered_as_it_was_written(api: Api) -> None:
    job_id = api.submit()
    api.client.hset(api.keys.job(job_id), mapping={"status": "succeeded", "result": b'{"a": 1.0,  "b":[]}'})
    answer = api.get(f"/jobs/{job_id}/result")
    assert (answer.status, answer.body) == (200, b'{"a": 1.0,  "b":[]}')
    assert answer.headers["content-type"] == "application/json"


def test_without_a_result_it_is_409_and_says_why(api: Api) -> None:
    job_id = api.submit()
    answer = api.get(f"/jobs/{job_id}/result")
    assert answer.status == 409
    assert "it is pending" in answer.json["detail"]
    api.client.hset(api.keys.job(job_id), mapping={"status": "succeeded", "result": b"{"})
    assert api.get(f"/jobs/{job_id}/result").status == 409
