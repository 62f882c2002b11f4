"""POST /jobs and GET /jobs/{job_id}, on fakeredis and on a real server."""

from typing import Any

import msgspec
import pytest

from jobworker.store.ids import is_job_id, new_job_id
from jobworker.store.limits import MAX_PAYLOAD_BYTES
from tests.unit.api.conftest import Api

FIELDS = [
    *("id", "type", "queue", "priority", "status", "cancel_requested_at", "cancelled_by"),
    *("cancel_reason", "tags", "payload", "result"),
    *("progress", "log_bytes", "attempt", "failures", "crashes", "max_attempts", "max_crashes", "timeout"),
    *("memory_limit_mb", "created_at", "run_at", "expires_at", "started_at", "ended_at", "wait_seconds", "run_seconds"),
    *("supervisor", "worker", "reason", "error", "receipt", "trace_id", "stack", "callback", "attempts"),
]


@pytest.mark.parametrize("body", [None, b"{}", b'{"priority": 5}'])
def test_the_barest_bodies_are_a_job_of_the_default_type(api: Api, body: bytes | None) -> None:
    answer = api.post("/jobs", body)
    assert answer.status == 202
    assert is_job_id(answer.json["id"])
    assert answer.json["status"] == "pending"
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    assert (answer.json["type"], answer.json["queue"], answer.json["priority"]) == ("echo", "default", 5)


def test_a_slash_at_the_end_of_a_path_changes_nothing(api: Api) -> None:
    job_id = api.post("/jobs/").json["id"]
    assert api.get(f"/jobs/{job_id}/").json["id"] == job_id
    assert api.get("/jobs/").json["items"][0]["id"] == job_id
    assert api.post("/jobs/pause/").status == 200


def test_the_id_in_a_path_may_be_in_upper_case(api: Api) -> None:
    job_id = api.post("/jobs").json["id"]
    assert api.get(f"/jobs/{job_id.upper()}").json["id"] == job_id
    assert api.post(f"/jobs/{job_id.upper()}/cancel").json["id"] == job_id
    assert api.post(f"/jobs/{job_id.upper()}/retry").json["id"] == job_id
    assert api.post(f"/jobs/{job_id.upper()}/cancel").status == 200
    assert api.delete(f"/jobs/{job_id.upper()}").status == 204


@pytest.mark.parametrize("priority", [1, 10])
def test_the_ends_of_the_range_of_priority_are_allowed(api: Api, priority: int) -> None:
    job_id = api.post("/jobs", {"priority": priority}).json["id"]
    assert api.get(f"/jobs/{job_id}").json["priority"] == priority


def test_a_delayed_job_is_scheduled(api: Api) -> None:
    answer = api.post("/jobs", {"delay": 60})
    assert answer.json["status"] == "scheduled"


def test_a_job_with_everything_is_stored_as_asked(api: Api) -> None:
    body = {
        "type": "report",
        "payload": {"year": 2026},
        "queue": "slow",
        "priority": 9,
        "run_at": "2026-01-31T10:00:00+01:00",
        "expires_at": "2999-01-01T00:00:00Z",
        "timeout": 1.5,
        "max_attempts": 7,
        "max_crashes": 9,
        "backoff": {"base": 2, "factor": 3, "max": 60, "jitter": False},
    }
    job = api.get(f"/jobs/{api.post('/jobs', body).json['id']}").json
    asked = {name: value for name, value in body.items() if name not in ("run_at", "backoff", "expires_at")}
    assert {name: job[name] for name in asked} == asked
    assert job["expires_at"] == "2999-01-01T00:00:00.000Z"
    stored = msgspec.json.decode(api.stored(job["id"])[b"backoff"])
    assert stored == {"base": 2.0, "factor": 3.0, "max": 60.0, "jitter": False}


def test_a_time_in_the_past_is_now(api: Api) -> None:
    assert api.post("/jobs", {"run_at": "2020-01-31T10:00:00+01:00"}).json["status"] == "pending"


def test_an_answer_has_every_field_and_null_for_what_is_absent(api: Api) -> None:
    job = api.get(f"/jobs/{api.post('/jobs').json['id']}").json
    assert list(job) == FIELDS
    absent = [name for name in FIELDS if job[name] is None]
    assert absent == [
        *("cancel_requested_at", "cancelled_by", "cancel_reason", "payload", "result", "progress"),
        *("memory_limit_mb", "expires_at", "started_at", "ended_at"),
        *(
            "wait_seconds",
            "run_seconds",
            "supervisor",
            "worker",
            "reason",
            "error",
            "receipt",
            "trace_id",
            "stack",
            "callback",
        ),
    ]
    assert (job["tags"], job["attempts"], job["attempt"]) == ([], [], 0)


def test_what_nobody_declared_is_shown_as_the_settings_say(api: Api) -> None:
    job = api.get(f"/jobs/{api.post('/jobs').json['id']}").json
    assert (job["timeout"], job["max_attempts"], job["max_crashes"]) == (300.0, 3, 3)


def test_a_memory_limit_is_the_requests_else_the_handlers_else_none(api: Api) -> None:
    api.publish("report", memory_limit_mb=512)
    api.publish("plain")
    declared, asked, free = (
        api.post("/jobs", body).json["id"]
        for body in ({"type": "report"}, {"type": "report", "memory_limit_mb": 64}, {"type": "plain"})
    )
    assert [api.get(f"/jobs/{job_id}").json["memory_limit_mb"] for job_id in (declared, asked, free)] == [512, 64, None]
    assert api.stored(declared)[b"memory_limit_mb"] == b"512"
    assert b"memory_limit_mb" not in api.stored(free)


def test_what_the_handler_declares_is_stored_and_shown(api: Api) -> None:
    api.publish("report", queue="slow", priority=2, timeout=None, max_attempts=8)
    job = api.get(f"/jobs/{api.post('/jobs', {'type': 'report'}).json['id']}").json
    assert (job["queue"], job["priority"], job["timeout"], job["max_attempts"]) == ("slow", 2, None, 8)
    assert api.stored(job["id"])[b"timeout_ms"] == b"0"


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"123456789012345678901234567890",
        b'{"a":1,"a":2}',
        b'"\\u00e9 \xc3\xa9 \\ud83d\\ude00"',
        b"1e308",
        b'{"b": [1.0, 1.00, -0.0]}',
        b'"' + b"x" * (MAX_PAYLOAD_BYTES - 2) + b'"',
    ],
    ids=["null", "big integer", "duplicate keys", "unicode", "a large double", "spelling of numbers", "1 MiB"],
)
def test_a_payload_comes_back_byte_for_byte(api: Api, payload: bytes) -> None:
    job_id = api.post("/jobs", b'{"payload": ' + payload + b"}").json["id"]
    assert api.stored(job_id)[b"payload"] == payload
    assert b'"payload":' + payload + b"," in api.get(f"/jobs/{job_id}").body


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        ({"priority": 0}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": 11}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": "5"}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": 5.5}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": True}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": None}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"priority": 10**30}, "/priority", "priority must be a whole number from 1 to 10"),
        ({"type": "a/b"}, "/type", "type must be a name of 1 to 128 letters"),
        ({"queue": "*"}, "/queue", "queue must be a name of 1 to 128 letters"),
        ({"delay": -1}, "/delay", "delay must be a number from 0 to 31622400 (seconds)"),
        ({"delay": 31622401}, "/delay", "delay must be a number from 0 to 31622400 (seconds)"),
        ({"timeout": 0.05}, "/timeout", "timeout must be a number from 0.1 to 86400 (seconds)"),
        ({"max_attempts": 101}, "/max_attempts", "max_attempts must be a whole number from 1 to 100"),
        ({"max_crashes": 0}, "/max_crashes", "max_crashes must be a whole number from 1 to 1000"),
        (
            {"memory_limit_mb": 63},
            "/memory_limit_mb",
            "memory_limit_mb must be a whole number from 64 to 1048576 (MiB; a worker alone uses some 45)",
        ),
        (
            {"memory_limit_mb": None},
            "/memory_limit_mb",
            "memory_limit_mb must be a whole number from 64 to 1048576 (MiB; a worker alone uses some 45)",
        ),
        ({"backoff": 5}, "/backoff", "backoff must be an object with any of the fields base, factor, max, jitter"),
        ({"backoff": {"factor": 0.5}}, "/backoff/factor", "backoff.factor must be a number from 1 to 100"),
        ({"backoff": {"jitter": 1}}, "/backoff/jitter", "backoff.jitter must be true or false"),
        ({"backoff": {"cap": 1}}, "/backoff/cap", "backoff.cap is not a field; allowed: base, factor, max, jitter"),
        ({"run_at": "2026-01-31T10:00:00"}, "/run_at", "run_at must be a time with its offset from UTC (RFC 3339)"),
        ({"run_at": 1769850000}, "/run_at", "for example 2026-01-31T09:00:00Z"),
        ({"run_at": "2999-01-01T00:00:00Z"}, "/run_at", "run_at must be within 366 days from now"),
        ({"run_at": "2027-01-01T00:00:00Z", "delay": 1}, "/run_at", "delay and run_at exclude each other"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "expires_at must lie in the future"),
        (
            {"expires_at": "9999-12-31T23:59:59-12:00"},
            "/expires_at",
            "expires_at must be a time from 1970-01-01T00:00:00.000Z to 9999-12-31",
        ),
        ({"tags": ["a", "b c"]}, "/tags/1", "tags must be a list of at most 10, each a text of 1 to 64 letters"),
        ({"labels": []}, "/labels", "labels is not a field; allowed: type, payload, queue, priority, delay"),
        ({"a/b~c": 1}, "/a~1b~0c", "a/b~c is not a field"),
        ([], "", "the body must be an object with any of the fields type, payload"),
        ("text", "", "the body must be an object"),
        (b"null", "", "the body must be an object"),
    ],
)
def test_an_invalid_body_is_422_and_says_what_is_allowed(api: Api, body: Any, pointer: str, sentence: str) -> None:
    answer = api.post("/jobs", body)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    [error] = answer.json["errors"]
    assert error["pointer"] == pointer
    assert sentence in error["detail"]
    assert answer.json["detail"] == error["detail"]
    assert api.client.keys("*") == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body must be one JSON object"),
        (b" \n", "the body must be one JSON object: it is empty"),
        (b'{"priority": 5} x', "the body must be one JSON object"),
        (b"{'priority': 5}", "the body must be one JSON object"),
        (b'\xef\xbb\xbf{"priority": 5}', "the body must be one JSON object"),
        (b'{"payload": NaN}', "the body must be one JSON object"),
        (b'{"payload": [1,]}', "the body must be one JSON object"),
        (b'{"payload": "\\x"}', "the body must be one JSON object"),
        (b'{"payload": "\\ud800 alone"}', "half of a surrogate pair"),
        (b'{"type": "\\\\\\uD83d"}', "half of a surrogate pair"),
        (b'{"payload": "\\udc00"}', "invalid utf-16 surrogate pair (byte 19)"),
        (b'{"payload": ["\\ud83d\\ude00", "\\\\ud800"', "Input data was truncated"),
        (b'{"payload": "\xff"}', "the body must be UTF-8; byte 13 is not"),
        (b'{"payload": "\xed\xa0\x80"}', "the body must be UTF-8"),
        (b'{"type": "\xff"}', "the body must be UTF-8"),
    ],
)
def test_a_malformed_body_is_400(api: Api, body: bytes, sentence: str) -> None:
    answer = api.post("/jobs", body)
    assert answer.status == 400
    assert sentence in answer.json["detail"]
    assert api.client.keys("*") == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, identity"])
def test_an_encoded_body_is_415_and_named(api: Api, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = api.request("POST", "/jobs", b"\x1f\x8b", headers)
    assert answer.status == 415
    assert answer.json["detail"].endswith(f"without Content-Encoding; this one is declared {encoding}")
    assert api.request("POST", "/jobs", b"{}", headers | {"Content-Encoding": "Identity"}).status == 202


@pytest.mark.parametrize("depth", [65, 900, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_payload_nested_too_deep_is_422(api: Api, depth: int, opening: bytes, closing: bytes) -> None:
    answer = api.post("/jobs", b'{"payload": ' + opening * depth + b"1" + closing * depth + b"}")
    assert answer.status == 422
    assert answer.json["errors"] == [
        {"pointer": "/payload", "detail": "payload is nested deeper than 64 levels"},
    ]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"priority": ' + b"[" * 100_000, b'{"x": ' + b"[" * 100_000])
def test_brackets_elsewhere_are_refused_at_the_first_one(api: Api, body: bytes) -> None:
    assert api.post("/jobs", body).status == 422


def test_a_payload_of_64_levels_is_taken(api: Api) -> None:
    assert api.post("/jobs", b'{"payload": ' + b"[" * 64 + b"]" * 64 + b"}").status == 202


def test_a_payload_over_1_mib_is_413_and_names_the_limit(api: Api) -> None:
    answer = api.post("/jobs", b'{"payload": "' + b"x" * MAX_PAYLOAD_BYTES + b'"}')
    assert answer.status == 413
    assert "at most 1048576 (1 MiB)" in answer.json["detail"]
    assert api.client.keys("*") == []


def test_an_unknown_type_is_422_and_names_the_known_ones(api: Api) -> None:
    for number in range(25):
        api.publish(f"type-{number:02}")
    answer = api.post("/jobs", {"type": "nope"})
    assert answer.status == 422
    [error] = answer.json["errors"]
    assert error["pointer"] == "/type"
    assert error["detail"].startswith("no supervisor knows the type nope; known: type-00, type-01, ")
    assert error["detail"].endswith("type-19 and 5 more")


def test_any_type_is_taken_while_no_supervisor_has_ever_registered(api: Api) -> None:
    job_id = api.post("/jobs", {"type": "to.come", "max_attempts": 7}).json["id"]
    stored = api.stored(job_id)
    assert stored[b"max_attempts"] == b"7"
    assert not {b"timeout_ms", b"max_crashes", b"backoff"} & set(stored)


def test_a_body_needs_a_content_type_and_is_told_the_right_curl(api: Api) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api.request("POST", "/jobs", b'{"priority": 5}', form)
    assert answer.status == 415
    assert "curl -X POST http://localhost/jobs -H 'Content-Type: application/json' -d '{}'" in answer.json["detail"]
    assert api.client.keys("*") == []


def test_a_content_type_may_have_parameters(api: Api) -> None:
    answer = api.request("POST", "/jobs", b"{}", {"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status == 202


def test_an_unknown_id_is_404(api: Api) -> None:
    answer = api.get(f"/jobs/{new_job_id()}")
    assert answer.status == 404
    assert "no job has the id" in answer.json["detail"]


@pytest.mark.parametrize("job_id", ["5", "x" * 5000, "{", "0190b6c07c1a7d3b8f00000000000000", "%00", "%ff"])
def test_an_id_that_is_none_is_404_with_a_sentence(api: Api, job_id: str) -> None:
    answer = api.get(f"/jobs/{job_id}")
    assert answer.status == 404
    assert "is not a job's id" in answer.json["detail"]


def test_head_answers_as_get_without_a_body(api: Api) -> None:
    job_id = api.post("/jobs").json["id"]
    answer = api.request("HEAD", f"/jobs/{job_id}")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(api.get(f"/jobs/{job_id}").body)


@pytest.mark.parametrize("state", [None, "congo=t61rcWkgMzE"])
def test_the_trace_of_a_request_is_the_job_s(api: Api, state: str | None) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": parent} if state is None else {"traceparent": parent, "tracestate": state}
    job_id = api.request("POST", "/jobs", headers=headers).json["id"]
    assert api.get(f"/jobs/{job_id}").json["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    expected = parent if state is None else f"{parent} {state}"
    assert api.client.hget(api.keys.job(job_id), "trace") == expected.encode()


def test_a_trace_that_is_malformed_is_as_if_absent(api: Api) -> None:
    job_id = api.request("POST", "/jobs", headers={"traceparent": "00-nonsense"}).json["id"]
    assert api.get(f"/jobs/{job_id}").json["trace_id"] is None
    assert api.client.hget(api.keys.job(job_id), "trace") is None


def test_a_unique_key_that_is_held_is_answered_with_its_job_or_refused(api: Api) -> None:
    first = api.post("/jobs", {"unique_key": "customer 42", "delay": 60}).json
    assert "existing" not in first
    again = api.post("/jobs", {"unique_key": "customer 42"})
    assert (again.status, again.json) == (202, {**first, "existing": True})
    assert again.headers["Location"] == f"/jobs/{first['id']}"
    assert "Idempotent-Replayed" not in again.headers
    refused = api.post("/jobs", {"unique_key": "customer 42", "on_conflict": "reject"})
    assert refused.status == 409
    assert first["id"] in refused.json["detail"]
    api.post(f"/jobs/{first['id']}/cancel")
    second = api.post("/jobs", {"unique_key": "customer 42", "on_conflict": "reject"}).json
    retried = api.post(f"/jobs/{first['id']}/retry")
    assert retried.status == 409
    assert second["id"] in retried.json["detail"]
