"""Whatever is wrong with a request: the right status, a sentence that says what is allowed, and nothing has changed."""

from typing import Any

import pytest
import redis

from tests.support.up_process import UpProcess

pytestmark = pytest.mark.real

JSON = {"Content-Type": "application/json"}

BODIES: list[tuple[bytes, int, str]] = [
    (b"{", 400, "JSON"),
    (b"\xff\xfe", 400, "UTF-8"),
    (b'{"priority": NaN}', 400, "JSON"),
    (b"[]", 422, "object"),
    (b"5", 422, "object"),
    (b'{"priority": 0}', 422, "1"),
    (b'{"priority": 11}', 422, "10"),
    (b'{"priority": 5.5}', 422, "int"),
    (b'{"priority": "5"}', 422, "int"),
    (b'{"priority": null}', 422, "int"),
    (b'{"type": "nobody.knows.me"}', 422, "known: "),
    (b'{"type": "a b"}', 422, "type"),
    (b'{"queue": "a/b"}', 422, "queue"),
    (b'{"timeout": 0}', 422, "0.1"),
    (b'{"timeout": 86401}', 422, "86400"),
    (b'{"max_attempts": 0}', 422, "1"),
    (b'{"max_crashes": 1001}', 422, "1000"),
    (b'{"backoff": {"base": -1}}', 422, "backoff"),
    (b'{"delay": -1}', 422, "0"),
    (b'{"delay": 1, "run_at": "2030-01-01T00:00:00Z"}', 422, "delay"),
    (b'{"run_at": "2030-01-01T00:00:00"}', 422, "run_at"),
    (b'{"run_at": "9999-01-01T00:00:00Z"}', 422, "366"),
    (b'{"expires_at": "tomorrow"}', 422, "expires_at"),
    (b'{"colour": "red"}', 422, "colour"),
    *(
        (b'{"%s": 1}' % name, 422, name.decode())
        for name in (b"soft_timeout", b"tags", b"unique_key", b"on_conflict", b"callback")
    ),
    (b'{"payload": "%s"}' % (b"x" * 1_048_577), 413, "1"),
    (b'{"payload": %s%s}' % (b"[" * 100, b"]" * 100), 422, "64"),
]


@pytest.mark.parametrize(("body", "status", "words"), BODIES, ids=[repr(body[:40]) for body, _, _ in BODIES])
def test_a_bad_body_is_refused_with_a_sentence_and_leaves_no_job(
    up: UpProcess, body: bytes, status: int, words: str
) -> None:
    before = _jobs(up)
    reply = up.request("POST", "/jobs", body)
    assert reply.status == status
    _assert_problem(reply.headers, reply.json, status)
    assert words in str(reply.json)
    assert _jobs(up) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "words"),
    [
        ("GET", "/jobs/01a20c1d-68be-72fb-82e7-a2555118f737", None, {}, 404, "no job has the id"),
        ("GET", "/jobs/seven", None, {}, 404, "UUID"),
        ("GET", "/nowhere", None, {}, 404, "/nowhere"),
        ("DELETE", "/jobs/pause", None, {}, 405, "POST"),
        ("PUT", "/jobs", b"{}", JSON, 405, "GET, HEAD, POST"),
        ("POST", "/jobs", b"{}", {"Content-Type": "text/plain"}, 415, "application/json"),
        ("POST", "/jobs", b"priority=5", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "curl"),
        ("POST", "/jobs", b"{}", {**JSON, "Host": "evil.example"}, 403, "allowed"),
        ("POST", "/jobs", b"{}", {**JSON, "Origin": "http://evil.example"}, 403, "Origin"),
        ("POST", "/jobs/pause", b'{"queue": "a b"}', JSON, 422, "queue"),
        ("POST", "/jobs/resume", b'{"queue": 7}', JSON, 422, "queue"),
        ("POST", "/jobs/pause?queue=x", None, {}, 422, "takes no parameters"),
        ("POST", "/jobs?priority=5", b"{}", JSON, 422, "takes no parameters"),
        ("DELETE", "/jobs/01a20c1d-68be-72fb-82e7-a2555118f737?dry_run=1", None, {}, 422, "takes no parameters"),
        ("GET", "/jobs/01a20c1d-68be-72fb-82e7-a2555118f737?fields=x", None, {}, 422, "not a parameter"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(
    up: UpProcess, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, words: str
) -> None:
    before = _jobs(up)
    reply = up.request(method, path, body, headers)
    assert reply.status == status
    _assert_problem(reply.headers, reply.json, status)
    assert words in str(reply.json)
    assert _jobs(up) == before
    assert up.get("/readyz").json["warnings"] == []


@pytest.mark.parametrize("request_", [b"NONSENSE\r\n\r\n", b"POST /jobs HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_is_refused_as_a_problem_too(up: UpProcess, request_: bytes) -> None:
    head, _, body = up.raw(request_).partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"application/problem+json" in head
    assert b'"status":400' in body


def _assert_problem(headers: Any, problem: dict[str, Any], status: int) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert {"type", "title", "detail", "request_id"} <= problem.keys()
    assert "Traceback" not in str(problem)


def _jobs(up: UpProcess) -> int:
    with redis.Redis(unix_socket_path=str(up.directory / "state" / "s")) as client:
        return sum(1 for _ in client.scan_iter("*:job:*"))
