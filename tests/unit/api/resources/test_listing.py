"""GET /jobs, on fakeredis and on a real server."""

from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
import pytest

from jobworker.store.job import ErrorInfo
from tests.unit.api.conftest import Api
from tests.unit.api.resources.test_jobs import FIELDS


def listed(api: Api, **query: object) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    while True:
        answer = api.get(f"/jobs?{urlencode(query)}").json
        ids += [job["id"] for job in answer["items"]]
        if answer["next_cursor"] is None:
            return ids
        query["cursor"] = answer["next_cursor"]


def test_without_jobs_the_list_is_empty(api: Api) -> None:
    answer = api.get("/jobs")
    assert (answer.status, answer.json) == (200, {"items": [], "next_cursor": None})


def test_a_listed_job_is_the_answers_job_without_what_may_be_large(api: Api) -> None:
    api.publish("report", timeout=None, max_attempts=8)
    job_id = api.submit(type="report", payload=[1], priority=7)
    error = ErrorInfo("ValueError", "bad", "Traceback")
    api.client.hset(api.keys.job(job_id), "error", msgspec.json.encode(error))
    [item] = api.get("/jobs").json["items"]
    job = api.get(f"/jobs/{job_id}").json
    assert list(item) == [name for name in FIELDS if name not in ("payload", "result", "stack", "callback", "attempts")]
    assert item.pop("error") == {"type": "ValueError", "message": "bad"}
    assert job.pop("error") == {"type": "ValueError", "message": "bad", "traceback": "Traceback"}
    assert item == {name: value for name, value in job.items() if name in item}
    assert (item["timeout"], item["max_attempts"]) == (None, 8)


def test_what_nobody_declared_is_shown_as_the_settings_say(api: Api) -> None:
    api.submit()
    [item] = api.get("/jobs").json["items"]
    assert (item["timeout"], item["max_attempts"], item["max_crashes"]) == (300.0, 3, 3)


def test_pages_follow_each_other_by_their_cursors(api: Api) -> None:
    ids = [api.submit(priority=priority) for priority in (1, 2, 3, 4, 5)]
    assert sorted(listed(api, limit=2)) == sorted(ids)
    assert listed(api, status="pending", limit=2) == ids[::-1]


def test_a_page_holds_fifty_jobs_unless_asked_for_others(api: Api) -> None:
    for _ in range(51):
        api.submit()
    assert len(api.get("/jobs").json["items"]) == 50
    assert len(api.get("/jobs?limit=200").json["items"]) == 51


def test_filters_hold_one_by_one_and_together(api: Api, start_next: Callable[[], None]) -> None:
    running = api.submit(type="report", queue="slow", priority=10)
    start_next()
    waiting = api.submit(type="report", queue="fast")
    later = api.submit(queue="slow", delay=60)
    cancelled = api.submit(queue="slow")
    api.store.cancel(cancelled)
    assert listed(api, status="running") == [running]
    assert listed(api, status="scheduled") == [later]
    assert listed(api, status="cancelled") == [cancelled]
    assert set(listed(api, type="report")) == {running, waiting}
    assert set(listed(api, queue="slow")) == {running, later, cancelled}
    assert listed(api, status="pending", type="report", queue="fast") == [waiting]
    assert listed(api, status="pending", type="report", queue="slow") == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "state=failed",
            "state is not a parameter; allowed: status, type, queue, tag, created_after, created_before, limit, cursor",
        ),
        (f"{'x' * 5000}=1", f"{'x' * 100} is not a parameter; allowed"),
        ("status=done", "status must be one of scheduled, pending, running, succeeded, failed, cancelled, expired"),
        ("status=", "status must be one of scheduled"),
        ("status=failed&status=running", "status may be given only once"),
        ("type=a/b", "type must be a name of 1 to 128 letters"),
        ("queue=*", "queue must be a name of 1 to 128 letters"),
        ("queue=", "queue must be a name of 1 to 128 letters"),
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("limit=201", "limit must be a whole number from 1 to 200"),
        ("limit=many", "limit must be a whole number from 1 to 200"),
        ("limit=1.5", "limit must be a whole number from 1 to 200"),
        ("limit=", "limit must be a whole number from 1 to 200"),
        ("limit", "limit must be a whole number from 1 to 200"),
        (f"cursor={'x' * 1001}", "cursor must be a text of at most 1000 characters"),
        ("cursor=nonsense", "The cursor is none that was given; leave it out to begin anew."),
        ("cursor=%ff%00", "The cursor is none that was given"),
    ],
)
def test_a_bad_query_is_422_and_says_what_is_allowed(api: Api, query: str, sentence: str) -> None:
    answer = api.get(f"/jobs?{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert sentence in answer.json["detail"]


def test_a_cursor_of_another_list_is_422(api: Api) -> None:
    for _ in range(2):
        api.submit()
    cursor = api.get("/jobs?limit=1").json["next_cursor"]
    answer = api.get(f"/jobs?status=failed&cursor={cursor}")
    assert answer.status == 422
    assert "the cursor belongs to a list with other filters" in answer.json["detail"]


def test_head_answers_as_get_without_a_body(api: Api) -> None:
    answer = api.request("HEAD", "/jobs")
    assert (answer.status, answer.body) == (200, b"")


def test_while_redis_is_away_it_is_503(api: Api) -> None:
    api.lose_redis("gone")
    assert api.get("/jobs").status == 503


def test_jobs_are_found_by_tag_and_by_when_they_came(api: Api) -> None:
    tagged = api.submit(tags=["customer=42", "nightly", "nightly"])
    other = api.submit()
    assert listed(api, tag="customer=42") == [tagged]
    assert api.get(f"/jobs/{tagged}").json["tags"] == ["customer=42", "nightly"]
    assert listed(api, created_before="2001-01-01T00:00:00Z") == []
    assert sorted(listed(api, created_after="1901-01-01T00:00:00Z", limit=1)) == sorted([tagged, other])


def test_a_range_that_ends_before_it_begins_is_refused(api: Api) -> None:
    answer = api.get("/jobs?created_after=2026-01-02T00:00:00Z&created_before=2026-01-01T00:00:00Z")
    assert (answer.status, answer.json["detail"]) == (422, "created_before must be later than created_after")


def test_tags_that_are_none_are_refused(api: Api) -> None:
    for tags in (["with blank"], ["a:b"], [""], [f"t{number}" for number in range(11)], "a"):
        answer = api.post("/jobs", {"tags": tags})
        assert (answer.status, answer.json["errors"][0]["pointer"][:5]) == (422, "/tags")
