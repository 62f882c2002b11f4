"""GET of a job's log and what a job's answer says of it, on fakeredis and on a real server."""

from typing import Any

import msgspec
import pytest

from jobworker.store.ids import new_job_id
from tests.unit.api.conftest import Api

READ_MS = 1_769_850_000_123
READ_AT = "2026-01-31T09:00:00.123Z"


class Stream:
    """A connection that nobody hangs up."""

    def begin(self) -> None:
        pass

    def is_over(self) -> bool:
        return False


def put_log(api: Api, job_id: str, *texts: bytes, left_out: int = 0) -> None:
    """Write what the scripts would write, with a gap before the last text."""
    at, fields = 0, dict[Any, Any]()
    for number, text in enumerate(texts):
        at += left_out if number and number == len(texts) - 1 else 0
        fields[str(number)] = b"%d 1 %d %s" % (READ_MS, at, text)
        at += len(text)
    counters: dict[Any, Any] = {
        "next": len(texts),
        "head_chunks": len(texts),
        "oldest": len(texts),
        "written_bytes": at,
    }
    api.client.hset(api.keys.log(job_id), mapping={**fields, **counters})
    api.client.hset(api.keys.job(job_id), "log_bytes", at)


@pytest.fixture
def job_id(api: Api) -> str:
    return api.submit()


def test_a_job_without_output_has_an_empty_log(api: Api, job_id: str) -> None:
    answer = api.get(f"/jobs/{job_id}/log")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert api.get(f"/jobs/{job_id}").json["log_bytes"] == 0


def test_the_log_is_the_bytes_that_were_printed(api: Api, job_id: str) -> None:
    put_log(api, job_id, b"one\n", b"\xfftwo")
    answer = api.get(f"/jobs/{job_id}/log")
    assert (answer.body, answer.headers["Content-Length"]) == (b"one\n\xfftwo", "8")
    assert api.get(f"/jobs/{job_id}").json["log_bytes"] == 8


def test_what_is_left_out_is_a_line(api: Api, job_id: str) -> None:
    put_log(api, job_id, b"one", b"two\n", left_out=1000)
    assert api.get(f"/jobs/{job_id}/log").body.decode() == "one\n… 1,000 bytes left out …\ntwo\n"


def test_a_reader_may_begin_at_a_byte(api: Api, job_id: str) -> None:
    put_log(api, job_id, b"one\n", b"two\n")
    assert api.get(f"/jobs/{job_id}/log?after=5").body == b"wo\n"


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/plain;q=0.5"])
def test_who_prefers_json_gets_items(api: Api, job_id: str, accept: str) -> None:
    put_log(api, job_id, b"one\n", b"two\xe2", left_out=9)
    answer = api.get(f"/jobs/{job_id}/log", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {
        "items": [
            {"at": 0, "next": 4, "left_out": 0, "read_at": READ_AT, "attempt": 1, "text": "one\n"},
            {"at": 13, "next": 16, "left_out": 9, "read_at": READ_AT, "attempt": 1, "text": "two"},
            {"at": 16, "next": 17, "left_out": 0, "read_at": READ_AT, "attempt": 1, "text": "�"},
        ]
    }


@pytest.mark.parametrize("accept", ["*/*", "text/*", "text/html", "application/json;q=0.5, text/plain", "nonsense"])
def test_everybody_else_gets_text(api: Api, job_id: str, accept: str) -> None:
    answer = api.get(f"/jobs/{job_id}/log", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        ("*/*", "text/plain; charset=utf-8", b"one\ntwo\n"),
        ("application/json", "application/x-ndjson", b'"text":"one\\n"}\n'),
    ],
)
def test_a_follower_of_an_ended_job_gets_it_all(api: Api, job_id: str, accept: str, kind: str, body: bytes) -> None:
    put_log(api, job_id, b"one\n", b"two\n")
    api.post(f"/jobs/{job_id}/cancel")
    for follow in ("1", "true"):
        answer = api.get(f"/jobs/{job_id}/log?follow={follow}", headers={"Accept": accept}, stream=Stream())
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert body in answer.body


def test_places_are_given_back(api: Api, job_id: str) -> None:
    api.post(f"/jobs/{job_id}/cancel")
    for _ in range(10):
        assert api.get(f"/jobs/{job_id}/log?follow=1", stream=Stream()).status == 200


def test_head_is_answered_and_takes_no_place(api: Api, job_id: str) -> None:
    for _ in range(10):
        answer = api.request("HEAD", f"/jobs/{job_id}/log?follow=1")
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("query", ["", "?follow=1"])
def test_an_unknown_job_is_404(api: Api, query: str) -> None:
    assert api.get(f"/jobs/{new_job_id()}/log{query}").status == 404
    assert api.get(f"/jobs/x/log{query}").status == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("follow=maybe", "follow must be true or false"),
        ("after=-1", "after must be a whole number from 0 to 9007199254740991"),
        ("tail=3", "tail is not a parameter; allowed: follow, after"),
        ("follow=1&follow=1", "follow may be given only once"),
    ],
)
def test_other_parameters_are_refused(api: Api, job_id: str, query: str, sentence: str) -> None:
    answer = api.get(f"/jobs/{job_id}/log?{query}")
    assert (answer.status, answer.json["detail"]) == (422, sentence)


def test_while_redis_is_away_it_is_503(api: Api, job_id: str) -> None:
    api.lose_redis("no route")
    for query in ("", "?follow=1"):
        answer = api.get(f"/jobs/{job_id}/log{query}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_progress_is_in_the_answer_and_in_lists(api: Api, job_id: str) -> None:
    progress = msgspec.json.encode({"fraction": 0.5, "message": "decoded"})
    api.client.hset(api.keys.job(job_id), mapping={"progress": progress, "progress_ms": READ_MS})
    shown = {"fraction": 0.5, "message": "decoded", "at": READ_AT}
    assert api.get(f"/jobs/{job_id}").json["progress"] == shown
    assert api.get("/jobs").json["items"][0]["progress"] == shown
