"""What both clients ask, how they read the answers, and when they ask again."""

import json
from collections.abc import Callable

import httpx2
import pytest

from jobworker.client import (
    AsyncClient,
    Client,
    Conflict,
    Forbidden,
    Invalid,
    NotEnded,
    NotFound,
    NotReachable,
    QueueFull,
    Refused,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from tests.unit.client.conftest import Call, Script

ID = "019329f0-0000-7000-8000-000000000001"
ACCEPTED = {"id": ID, "status": "pending", "type": "echo", "queue": "default", "priority": 5}
RUNNING = {**ACCEPTED, "status": "running", "started_at": "2026-11-24T10:00:00.000Z"}
ENDED = {**ACCEPTED, "status": "succeeded", "result": {"a": 1}, "a_field_of_tomorrow": True}


def body_of(request: httpx2.Request) -> object:
    return json.loads(request.content)


def test_a_submit_is_one_post_with_a_key_of_its_own(call: Call, script: Script) -> None:
    script.will_answer(ACCEPTED, 202)
    script.will_answer(ACCEPTED, 202)
    job = call("submit", "echo", {"a": 1}, priority=5, queue=None)
    call("submit", "echo")
    first, second = script.asked
    assert (job.id, job.status, job.priority) == (ID, "pending", 5)
    assert (first.method, first.url.path) == ("POST", "/jobs")
    assert body_of(first) == {"type": "echo", "payload": {"a": 1}, "priority": 5}
    assert body_of(second) == {"type": "echo"}
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert first.headers["content-type"] == "application/json"


def test_a_key_of_ones_own_is_kept(call: Call, script: Script) -> None:
    script.will_answer(ACCEPTED, 202)
    call("submit", "echo", key="order-17")
    assert script.asked[0].headers["idempotency-key"] == "order-17"


def test_who_repeats_nothing_needs_no_key(make: Callable[..., Call], script: Script) -> None:
    script.will_answer(ACCEPTED, 202)
    script.will_fail(httpx2.ReadError("reset"))
    call = make(retries=0)
    call("submit", "echo")
    assert "idempotency-key" not in script.asked[0].headers
    with pytest.raises(NotReachable, match="whether it was done is not known"):
        call("submit", "echo")


def test_an_api_key_is_a_bearer(make: Callable[..., Call], script: Script) -> None:
    script.will_answer(ENDED)
    make(key="jw_1_secret")("get", ID)
    assert script.asked[0].headers["authorization"] == "Bearer jw_1_secret"


def test_a_job_is_read_with_what_is_known_of_it(call: Call, script: Script) -> None:
    script.will_answer(RUNNING)
    script.will_answer(ENDED)
    running, ended = call("get", ID), call("get", ID)
    assert running.started_at.year == 2026
    assert (running.ended, running.succeeded) == (False, False)
    assert (ended.ended, ended.succeeded, ended.result) == (True, True, {"a": 1})


def test_an_id_cannot_leave_its_place_in_the_path(call: Call, script: Script) -> None:
    script.will_refuse(404, "no such job")
    with pytest.raises(NotFound):
        call("get", "../queues?x=1")
    assert script.asked[0].url.raw_path == b"/jobs/..%2Fqueues%3Fx%3D1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, Invalid),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(call: Call, script: Script, status: int, kind: type[Refused]) -> None:
    script.will_refuse(status, "it is not allowed", ("/priority", "must be at most 10"))
    with pytest.raises(kind, match=r"it is not allowed \(/priority: must be at most 10\)") as caught:
        call("submit", "echo")
    assert caught.value.status == status
    assert caught.value.errors == (("/priority", "must be at most 10"),)
    assert caught.value.request_id == "r1"
    assert len(script.asked) == 1


def test_what_is_busy_is_asked_again_with_the_same_key_and_not_before_it_says(call: Call, script: Script) -> None:
    script.will_refuse(503, "Redis is away", Retry_After="2")
    script.will_refuse(429, "the queue is full", Retry_After="1")
    script.will_answer(ACCEPTED, 202)
    assert call("submit", "echo").id == ID
    assert len({request.headers["idempotency-key"] for request in script.asked}) == 1
    assert script.slept == [2.0, 1.0]


def test_it_gives_up_in_the_end(make: Callable[..., Call], script: Script) -> None:
    for _ in range(3):
        script.will_refuse(503, "Redis is away", Retry_After="1")
    with pytest.raises(Unavailable) as caught:
        make(retries=2)("get", ID)
    assert caught.value.retry_after_seconds == 1.0


def test_a_long_wait_is_left_to_the_caller(call: Call, script: Script) -> None:
    script.will_refuse(429, "the queue is full", Retry_After="600")
    with pytest.raises(QueueFull):
        call("submit", "echo")
    assert script.slept == []


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(call: Call, script: Script) -> None:
    script.will_fail(httpx2.ReadError("connection reset"))
    script.will_answer(ACCEPTED, 202)
    assert call("submit", "echo").id == ID
    script.will_fail(httpx2.ReadTimeout("timed out"))
    with pytest.raises(NotReachable, match="whether it was done is not known") as caught:
        call("pause")
    assert caught.value.sent


def test_what_was_never_sent_is_always_asked_again(call: Call, script: Script) -> None:
    script.will_fail(httpx2.ConnectError("refused"))
    script.will_answer({"message": "Job processing paused"})
    call("pause", "images", "too many")
    assert body_of(script.asked[1]) == {"queue": "images", "reason": "too many"}


def test_waiting_asks_until_the_job_has_ended(call: Call, script: Script) -> None:
    script.will_answer(RUNNING)
    script.will_answer(ENDED)
    assert call("wait", ID).succeeded
    assert [request.url.params["wait"] for request in script.asked] == ["60", "60"]
    # The API has not waited: it is not asked in a loop.
    assert script.slept == [1.0]


def test_waiting_ends_in_time(call: Call, script: Script) -> None:
    for _ in range(4):
        script.will_answer(RUNNING)
    with pytest.raises(NotEnded, match="is running after 2 s"):
        call("wait", ID, timeout_seconds=2)
    assert [request.url.params["wait"] for request in script.asked] == ["2", "1", "0"]


def test_waiting_outlasts_an_api_that_is_started_anew(make: Callable[..., Call], script: Script) -> None:
    for _ in range(3):
        script.will_fail(httpx2.ConnectError("refused"))
    script.will_answer(ENDED)
    assert make(retries=0)("wait", ID, timeout_seconds=10).succeeded
    script.will_fail(httpx2.ConnectError("refused"))
    with pytest.raises(NotReachable):
        make(retries=0)("wait", ID)


def test_what_json_has_no_word_for_is_an_error_and_not_null(call: Call, script: Script) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        call("submit", "echo", {"v": float("nan")})
    assert script.asked == []


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", ""])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="begins with http"):
        Client(url)


def test_pages_are_read_one_after_the_other(call: Call, script: Script) -> None:
    script.will_answer({"items": [RUNNING], "next_cursor": "c1"})
    script.will_answer({"items": [], "next_cursor": "c2"})
    script.will_answer({"items": [ENDED], "next_cursor": None})
    assert [job.status for job in call("jobs", type="echo", queue=None)] == ["running", "succeeded"]
    assert [dict(request.url.params) for request in script.asked] == [
        {"limit": "100", "type": "echo"},
        {"limit": "100", "type": "echo", "cursor": "c1"},
        {"limit": "100", "type": "echo", "cursor": "c2"},
    ]


def test_cancel_retry_delete_log_and_resume_are_one_request_each(call: Call, script: Script) -> None:
    item = {"at": 0, "next": 3, "text": "hi\n", "attempt": 1, "left_out": 0, "read_at": "2026-11-24T10:00:00.000Z"}
    script.will_answer(RUNNING, 202)
    script.will_answer(ACCEPTED, 202)
    script.will_answer(None, 204)
    script.will_answer({"items": [item]})
    script.will_answer({"message": "Job processing resumed"})
    assert call("cancel", ID, "no longer wanted").status == "running"
    assert call("retry", ID).status == "pending"
    assert call("delete", ID) is None
    assert [piece.text for piece in call("log", ID, after=7)] == ["hi\n"]
    call("resume")
    assert [f"{request.method} {request.url.path}" for request in script.asked] == [
        f"POST /jobs/{ID}/cancel",
        f"POST /jobs/{ID}/retry",
        f"DELETE /jobs/{ID}",
        f"GET /jobs/{ID}/log",
        "POST /jobs/resume",
    ]
    assert script.asked[3].url.params["after"] == "7"


def test_somebody_else_at_that_address_is_told_from_an_api(call: Call, script: Script) -> None:
    script.answers.append(httpx2.Response(200, content=b"<html>"))
    with pytest.raises(NotReachable, match="not a jobworker API"):
        call("pause")


def test_both_clients_have_the_same_methods() -> None:
    blocking = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert blocking == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}
