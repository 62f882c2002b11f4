"""GET /audit, and what comes into it."""

from typing import Any

import pytest

from tests.unit.api.conftest import Api

JSON = {"Content-Type": "application/json"}


def noted(api: Api) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get("/audit").json["items"]
    return items


def test_an_action_is_noted_with_who_what_when_and_its_answer(api: Api) -> None:
    answer = api.post("/jobs/pause", {"queue": "mail", "reason": "a flood"})
    [action] = noted(api)
    assert action.pop("at").startswith("20")
    assert action == {
        "who": "api 127.0.0.1",
        "what": "POST /jobs/pause",
        "detail": '{"queue":"mail","reason":"a flood"}',
        "status": 200,
        "request_id": answer.headers["X-Request-Id"],
    }


def test_with_keys_it_is_noted_whose_key_it_was(api: Api) -> None:
    key, token = api.store.api_keys.create("night-shift", ("admin",))
    headers = {"Authorization": f"Bearer {token}"}
    api.request("POST", "/jobs/pause", headers=headers)
    [action] = api.get("/audit", headers=headers).json["items"]
    assert action["who"] == f"night-shift (key {key.id})"


def test_what_reads_submits_or_is_refused_is_not_noted(api: Api) -> None:
    job_id = api.submit()
    api.get(f"/jobs/{job_id}")
    api.post("/jobs/pause", {"queue": "a b"})
    api.delete(f"/jobs/{job_id}")
    assert noted(api) == []
    assert not api.client.exists(api.keys.audit)


def test_pages_follow_each_other(api: Api) -> None:
    for queue in "abc":
        api.post("/jobs/pause", {"queue": queue})
    first = api.get("/audit", headers={}).json
    assert [len(first["items"]), first["next_cursor"]] == [3, None]
    page = api.request("GET", "/audit?limit=2").json
    rest = api.request("GET", f"/audit?limit=2&cursor={page['next_cursor']}").json
    assert [*page["items"], *rest["items"]] == first["items"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", "cursor=", "who=ann"])
def test_a_query_that_makes_no_sense_is_422(api: Api, query: str) -> None:
    assert api.get(f"/audit?{query}").status == 422


def test_what_is_done_is_done_also_if_it_cannot_be_noted(api: Api) -> None:
    api.client.set(api.keys.audit, "of another type")
    assert api.post("/jobs/pause").status == 200
    assert len(api.store.pauses()) == 1
