"""Jobs whose record in Redis somebody else has written into: lists and answers go on, without what cannot be read."""

import json

import pytest

from tests.unit.api.conftest import Api

NONSENSE = b"\xffnonsense"
NUMBERS = ("priority", "timeout_ms", "max_attempts", "max_crashes", "memory_limit_mb", "failures", "crashes", "attempt")
TIMES = ("created_ms", "run_at_ms", "started_ms", "ended_ms", "expires_ms", "cancel_requested_ms", "progress_ms")
STRUCTS = ("error", "receipt", "progress", "cancelled_by", "backoff")
OTHERS = ("type", "queue", "payload", "result", "log_bytes", "token", "epoch", "worker", "stack_ms", "attempt:1")
FIELDS = (*NUMBERS, *TIMES, *STRUCTS, *OTHERS, "attempt:nonsense", NONSENSE)
ESSENTIAL = {
    "type": "type",
    "queue": "queue",
    "priority": "priority",
    "created_ms": "created_at",
    "run_at_ms": "run_at",
}


@pytest.mark.parametrize("value", [NONSENSE, b"", b"9" * 30, b"-1", b'{"a":', b"[" * 5000], ids=repr)
@pytest.mark.parametrize("field", FIELDS)
def test_a_damaged_field_spoils_neither_the_job_nor_the_list(api: Api, field: str | bytes, value: bytes) -> None:
    job_id, sound = api.submit(), api.submit()
    api.client.hset(api.keys.job(job_id), field, value)
    for path in (f"/jobs/{job_id}", "/jobs", "/jobs?status=pending", f"/jobs/{job_id}/log"):
        assert api.get(path).status == 200, path
    assert api.get(f"/jobs/{job_id}").json["status"] == "pending"
    assert {item["id"] for item in api.get("/jobs").json["items"]} == {job_id, sound}


@pytest.mark.parametrize("field", ESSENTIAL)
def test_what_every_job_has_is_null_where_it_is_missing(api: Api, field: str) -> None:
    job_id = api.submit()
    api.client.hdel(api.keys.job(job_id), field)
    assert api.get(f"/jobs/{job_id}").json[ESSENTIAL[field]] is None
    assert api.get("/jobs").json["items"][0][ESSENTIAL[field]] is None


@pytest.mark.parametrize("field", ["payload", "result"])
def test_a_payload_or_result_that_is_no_json_is_null(api: Api, field: str) -> None:
    job_id = api.submit(payload={"a": 1})
    api.client.hset(api.keys.job(job_id), field, b"{nonsense")
    answer = api.get(f"/jobs/{job_id}")
    assert json.loads(answer.body)[field] is None


def test_counters_that_are_no_numbers_do_not_keep_a_job_that_may_expire_from_the_lists(api: Api) -> None:
    job_id = api.submit(expires_at="2999-01-01T00:00:00Z")
    for field in ("failures", "crashes", "expires_ms"):
        api.client.hset(api.keys.job(job_id), field, NONSENSE)
        assert [item["id"] for item in api.get("/jobs?status=pending").json["items"]] == [job_id]
        assert api.get(f"/jobs/{job_id}/log").status == 200


@pytest.mark.parametrize("status", [NONSENSE, b"", b"nonsense", None])
def test_a_job_without_a_status_is_in_no_list_says_what_helps_and_can_be_deleted(
    api: Api, status: bytes | None
) -> None:
    job_id, sound = api.submit(expires_at="2999-01-01T00:00:00Z"), api.submit()
    record = api.keys.job(job_id)
    api.client.hdel(record, "status") if status is None else api.client.hset(record, "status", status)
    assert [item["id"] for item in api.get("/jobs").json["items"]] == [sound]
    answer = api.get(f"/jobs/{job_id}")
    assert answer.status == 409
    assert "jobworker doctor" in answer.json["detail"]
    assert api.get(f"/jobs/{job_id}/log").status in (404, 409)
    assert api.post(f"/jobs/{job_id}/retry").status in (404, 409)
    assert api.delete(f"/jobs/{job_id}").status == 204
    assert api.get(f"/jobs/{job_id}").status == 404
    keys = api.keys
    for index in (keys.created, keys.expiring, keys.scheduled, keys.by_type("echo"), keys.ready("default")):
        assert api.client.zscore(index, job_id) is None, index
    assert api.client.zscore(keys.by_type("echo"), sound) is not None
