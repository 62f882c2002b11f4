"""/schedules, on fakeredis and on a real server."""

from typing import Any

import msgspec
import pytest

from tests.unit.api.conftest import JSON, Api

DAILY: dict[str, Any] = {
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "job": {"type": "echo", "payload": {"n": 1}, "queue": "nightly"},
    "overlap": "skip",
}


def put(api: Api, name: str, body: Any) -> Any:
    return api.request("PUT", f"/schedules/{name}", msgspec.json.encode(body), JSON)


def test_a_schedule_is_created_shown_replaced_and_deleted(api: Api) -> None:
    answer = put(api, "report", DAILY)
    assert answer.status == 201
    assert answer.json["next_due"] is not None
    assert answer.json["job"] == DAILY["job"]
    assert put(api, "report", DAILY).status == 200
    shown = api.get("/schedules/report?preview=3").json
    assert shown["preview"][0] == shown["next_due"]
    assert len(shown["preview"]) == 3
    [listed] = api.get("/schedules").json["items"]
    assert listed["job"] == {"type": "echo", "queue": "nightly"}
    assert api.delete("/schedules/report").status == 204
    assert api.get("/schedules/report").status == 404
    assert api.delete("/schedules/report").status == 404


def test_while_only_its_job_changes_it_keeps_its_place(api: Api) -> None:
    put(api, "often", {"every": 3600, "job": {"type": "echo"}})
    api.client.hset(api.keys.schedule("often"), "next_due_ms", 4_000_000_000_000)
    answer = put(api, "often", {"every": 3600, "job": {"type": "echo", "payload": 2}})
    assert (answer.status, answer.json["next_due"]) == (200, "2096-10-02T07:06:40.000Z")
    assert answer.json["job"]["payload"] == 2
    assert put(api, "often", {"every": 1800, "job": {"type": "echo"}}).json["next_due"] < "2096"


def test_it_is_paused_by_somebody_for_a_reason_and_resumed(api: Api) -> None:
    put(api, "report", DAILY)
    answer = api.post("/schedules/report/pause", {"reason": "holidays"}).json
    assert (answer["next_due"], answer["paused_by"], answer["pause_reason"]) == (None, "api 127.0.0.1", "holidays")
    assert put(api, "report", {**DAILY, "cron": "@hourly"}).json["next_due"] is None
    answer = api.post("/schedules/report/resume").json
    assert answer["paused_since"] is None
    assert answer["next_due"] is not None
    assert api.post("/schedules/nothing/pause").status == 404
    assert api.post("/schedules/nothing/resume").status == 404


def test_its_job_can_be_submitted_at_once(api: Api) -> None:
    put(api, "report", DAILY)
    answer = api.post("/schedules/report/trigger")
    assert answer.status == 202
    job = api.get(f"/jobs/{answer.json['id']}").json
    assert (job["queue"], job["priority"], job["payload"]) == ("nightly", 5, {"n": 1})
    assert api.post("/schedules/nothing/trigger").status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/cron"),
        ({"cron": "* * * * * *"}, "/cron"),
        ({"cron": "0 25 * * *"}, "/cron"),
        ({"cron": "@reboot"}, "/cron"),
        ({"cron": "@daily", "every": 60}, "/every"),
        ({"cron": "@daily", "timezone": "Europe/Atlantis"}, "/timezone"),
        ({"every": 60, "timezone": "Europe/Berlin"}, "/timezone"),
        ({"every": 0.1}, "/every"),
        ({"every": 60, "overlap": "queue"}, "/overlap"),
        ({"every": 60, "job": {"priority": 11}}, "/job/priority"),
        ({"every": 60, "job": {"delay": 1}}, "/job/delay"),
        ({"at": "2001-01-01T00:00:00Z"}, ""),
        ({"at": "2040-01-01T00:00:00"}, "/at"),
        ({"every": 60, "more": 1}, "/more"),
    ],
)
def test_what_makes_no_schedule_is_refused_where_it_is_wrong_and_changes_nothing(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    raw = msgspec.json.encode(body)
    before = sorted(api.client.keys("*"))
    answer = api.request("PUT", "/schedules/report", raw, JSON)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == pointer
    assert sorted(api.client.keys("*")) == before


def test_a_name_is_one_as_those_of_queues(api: Api) -> None:
    assert put(api, "a:b", DAILY).status == 404
