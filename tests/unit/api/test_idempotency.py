"""POST /jobs with an Idempotency-Key: sent again it is the same request."""

from typing import Any

import pytest

from jobworker.store.settings import JobSettings, Settings
from tests.support.reply import Reply
from tests.unit.api.conftest import JSON, Api


def post(api: Api, key: str | None, body: bytes = b"") -> Reply:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return api.request("POST", "/jobs", body, {**(JSON if body else {}), **headers})


def jobs_of(api: Api) -> list[Any]:
    items: list[Any] = api.get("/jobs").json["items"]
    return items


def test_a_repeat_is_answered_as_the_first_and_says_so(api: Api) -> None:
    body = b'{"queue": "slow", "priority": 7, "delay": 60}'
    first, again = post(api, "order-4711", body), post(api, "order-4711", body)
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"] == f"/jobs/{first.json['id']}"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(jobs_of(api)) == 1


def test_a_request_without_a_body_may_have_a_key(api: Api) -> None:
    assert post(api, "k").json["id"] == post(api, "k").json["id"]


def test_without_a_key_each_request_is_a_job(api: Api) -> None:
    first, second = post(api, None), post(api, None)
    assert first.json["id"] != second.json["id"]
    assert "Idempotent-Replayed" not in second.headers


def test_a_repeat_shows_what_was_answered_also_when_a_handler_has_been_declared_since(api: Api) -> None:
    first = post(api, "k", b'{"type": "report"}')
    api.publish("report", queue="slow", priority=1)
    assert post(api, "k", b'{"type": "report"}').body == first.body


def test_a_repeat_is_answered_although_its_type_would_be_refused_by_now(api: Api) -> None:
    first = post(api, "k", b'{"type": "report"}')
    api.publish("other")
    later = Api(api.client)
    assert post(later, "new key", b'{"type": "report"}').status == 422
    again = post(later, "k", b'{"type": "report"}')
    later.available.close()
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (202, first.body, "true")


@pytest.mark.parametrize("body", [b'{"payload": 2}', b'{"payload":1}', b""])
def test_another_body_is_422_and_makes_no_job(api: Api, body: bytes) -> None:
    post(api, "k", b'{"payload": 1}')
    answer = post(api, "k", body)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json["detail"] == (
        "This Idempotency-Key has come before, with another body; give another request another key."
    )
    assert len(jobs_of(api)) == 1


def test_another_body_is_422_for_the_key_also_if_its_type_is_unknown(api: Api) -> None:
    api.publish("echo")
    post(api, "k")
    assert "Idempotency-Key" in post(api, "k", b'{"type": "nobody-knows"}').json["detail"]


def test_a_request_that_was_refused_has_not_used_its_key(api: Api) -> None:
    assert post(api, "k", b'{"priority": 11}').status == 422
    assert post(api, "k", b'{"expires_at": "2020-01-01T00:00:00Z"}').status == 422
    assert post(api, "k").status == 202


@pytest.mark.parametrize("key", ["x", "8e03978e-40d5-43e8-bc93-6894a57f9324", '"a quoted one"', "~" * 255])
def test_a_key_may_be_any_printable_ascii(api: Api, key: str) -> None:
    assert post(api, key).json["id"] == post(api, key).json["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "k\xe9"], ids=["empty", "too long", "a tab", "not ASCII"])
def test_a_key_that_is_none_is_400_and_makes_no_job(api: Api, key: str) -> None:
    answer = post(api, key)
    assert answer.status == 400
    assert "Idempotency-Key must be 1 to 255 characters of printable ASCII" in answer.json["detail"]
    assert jobs_of(api) == []


def test_the_setting_says_how_long_a_key_is_remembered(api: Api) -> None:
    patient = Api(api.client, Settings(jobs=JobSettings(keep_idempotency_keys=120)))
    post(patient, "k")
    [record] = [key for key in api.client.keys("*idempotency:*")]  # noqa: C416 - redis-py types it loosely
    assert 119 <= int(api.client.ttl(record)) <= 120
    patient.available.close()
