"""POST /jobs/pause and POST /jobs/resume, on fakeredis and on a real server."""

import pytest

from tests.unit.api.conftest import Api


@pytest.mark.parametrize("body", [None, b"{}"])
def test_everything_is_paused_and_resumed(api: Api, body: bytes | None) -> None:
    answer = api.post("/jobs/pause", body)
    assert (answer.status, answer.json) == (200, {"message": "Job processing paused", "queue": None})
    [pause] = api.store.pauses()
    assert (pause.queue, pause.who, pause.reason) == ("*", "api 127.0.0.1", None)
    answer = api.post("/jobs/resume", body)
    assert (answer.status, answer.json) == (200, {"message": "Job processing resumed", "queue": None})
    assert api.store.pauses() == []


def test_a_queue_is_paused_with_a_reason_and_resumed(api: Api) -> None:
    answer = api.post("/jobs/pause", {"queue": "images", "reason": "disk is full"})
    assert answer.json == {"message": "Job processing paused", "queue": "images"}
    [pause] = api.store.pauses()
    assert (pause.queue, pause.reason) == ("images", "disk is full")
    assert api.post("/jobs/resume", {"queue": "images"}).json["message"] == "Job processing resumed"
    assert api.store.pauses() == []


def test_resuming_everything_leaves_a_queue_paused(api: Api) -> None:
    api.post("/jobs/pause", {"queue": "images"})
    api.post("/jobs/resume")
    assert [pause.queue for pause in api.store.pauses()] == ["images"]


def test_both_are_safe_to_repeat(api: Api) -> None:
    for path in ("/jobs/pause", "/jobs/pause", "/jobs/resume", "/jobs/resume"):
        assert api.post(path).status == 200


@pytest.mark.parametrize("path", ["/jobs/pause", "/jobs/resume"])
@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "the body must be one JSON object"),
        ({"queue": "*"}, 422, "queue must be a name"),
        ({"queue": None}, 422, "queue must be a name"),
        ({"reason": "x" * 1001}, 422, "reason must be a text of at most 1000 characters"),
        ({"who": "me"}, 422, "who is not a field; allowed: queue, reason"),
        ([], 422, "the body must be an object with any of the fields queue, reason"),
    ],
)
def test_a_bad_body_changes_nothing(api: Api, path: str, body: object, status: int, sentence: str) -> None:
    answer = api.post(path, body)
    assert answer.status == status
    assert sentence in answer.json["detail"]
    assert api.client.keys("*") == []
