"""POST cancel and retry of a job, and DELETE: what a client does to its end."""

from collections.abc import Callable

import pytest

from jobworker.store.ids import new_job_id
from tests.unit.api.conftest import Api

StartNext = Callable[[], None]
ASKED = [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")]
every_request = pytest.mark.parametrize(("method", "what"), ASKED, ids=["cancel", "retry", "delete"])


@pytest.mark.parametrize("delay", [0, 60])
def test_a_job_that_has_not_started_is_cancelled_at_once_and_stays_so(api: Api, delay: int) -> None:
    job_id = api.submit(delay=delay)
    for _ in range(2):
        answer = api.post(f"/jobs/{job_id}/cancel")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        assert answer.json == api.get(f"/jobs/{job_id}").json


def test_a_running_job_runs_on_until_it_is_killed(api: Api, start_next: StartNext) -> None:
    job_id = api.submit()
    start_next()
    answer = api.post(f"/jobs/{job_id}/cancel", {})
    assert (answer.status, answer.json["status"]) == (202, "running")
    assert answer.json["cancel_requested_at"] is not None
    assert answer.json == api.get(f"/jobs/{job_id}").json


def test_a_job_that_has_ended_otherwise_is_not_cancelled(api: Api) -> None:
    job_id = api.submit(delay=0, expires_at="2999-01-01T00:00:00Z")
    api.client.hset(api.keys.job(job_id), "expires_ms", 1)
    answer = api.post(f"/jobs/{job_id}/cancel")
    assert answer.status == 409
    assert answer.json["detail"] == f"job {job_id} has already ended: it is expired"


def test_an_ended_job_is_run_again(api: Api) -> None:
    job_id = api.submit(priority=7)
    api.store.cancel(job_id)
    answer = api.post(f"/jobs/{job_id}/retry")
    assert (answer.status, answer.json["status"], answer.json["ended_at"]) == (202, "pending", None)
    assert answer.json == api.get(f"/jobs/{job_id}").json


def test_an_ended_job_is_deleted(api: Api) -> None:
    job_id = api.submit()
    api.store.cancel(job_id)
    answer = api.delete(f"/jobs/{job_id}")
    assert (answer.status, answer.body) == (204, b"")
    assert api.get(f"/jobs/{job_id}").status == 404
    assert api.get("/jobs").json["items"] == []


@pytest.mark.parametrize("status", ["pending", "running"])
@pytest.mark.parametrize(("method", "what"), ASKED[1:], ids=["retry", "delete"])
def test_what_has_not_ended_is_409_and_left_as_it_is(
    api: Api, start_next: StartNext, method: str, what: str, status: str
) -> None:
    job_id = api.submit()
    if status == "running":
        start_next()
    before = api.stored(job_id)
    answer = api.request(method, f"/jobs/{job_id}{what}")
    assert answer.status == 409
    assert answer.json["detail"] == f"job {job_id} has not ended yet: it is {status}"
    assert api.stored(job_id) == before


@every_request
def test_an_unknown_id_is_404(api: Api, method: str, what: str) -> None:
    answer = api.request(method, f"/jobs/{new_job_id()}{what}")
    assert answer.status == 404
    assert "no job has the id" in answer.json["detail"]


@every_request
def test_an_id_that_is_none_is_404_with_a_sentence(api: Api, method: str, what: str) -> None:
    answer = api.request(method, f"/jobs/5{what}")
    assert answer.status == 404
    assert "'5' is not a job's id" in answer.json["detail"]


@every_request
def test_a_web_page_may_do_none_of_it(api: Api, method: str, what: str) -> None:
    job_id = api.submit()
    answer = api.request(method, f"/jobs/{job_id}{what}", headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    assert api.get(f"/jobs/{job_id}").json["status"] == "pending"


@every_request
def test_while_redis_is_away_it_is_503(api: Api, method: str, what: str) -> None:
    job_id = api.submit()
    api.lose_redis("gone")
    assert api.request(method, f"/jobs/{job_id}{what}").status == 503


@pytest.mark.parametrize(
    ("what", "body", "status", "sentence"),
    [
        *((what, b"{", 400, "the body must be one JSON object") for what in ("cancel", "retry")),
        ("retry", {"force": True}, 422, "force is not a field; allowed: none"),
        ("retry", [], 422, "the body must be an empty object"),
        ("cancel", {"force": True}, 422, "force is not a field; allowed: reason"),
        ("cancel", {"reason": 7}, 422, "reason"),
        ("cancel", [], 422, "the body must be"),
    ],
)
def test_a_body_may_be_empty_and_little_else(api: Api, what: str, body: object, status: int, sentence: str) -> None:
    job_id = api.submit()
    if what == "retry":
        api.store.cancel(job_id)
    before = api.stored(job_id)
    answer = api.post(f"/jobs/{job_id}/{what}", body)
    assert (answer.status, sentence in answer.json["detail"]) == (status, True), answer.json["detail"]
    assert api.stored(job_id) == before
