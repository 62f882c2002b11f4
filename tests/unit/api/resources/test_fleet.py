"""GET /queues, /queues/{queue}, /supervisors, /workers and /handlers."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.roster import HeldSlot, HeldType, Roster, RosterEntry
from tests.unit.api.conftest import Api

Supervise = Callable[..., int]

LISTS = ["/queues", "/supervisors", "/workers", "/handlers"]
SLOT = HeldSlot(1, 1_800_000_000_000, "SIGSEGV before it reported")
WORKER = RosterEntry(pid=7, state="idle", started_ms=1_800_000_000_123, jobs=3, rss_bytes=4096, cpu_seconds=0.25)
HELD = HeldType("mail", "it crashes", 1_800_000_000_000, 1_800_000_010_000)


def items(api: Api, path: str) -> list[dict[str, Any]]:
    answer = api.get(path)
    assert answer.status == 200
    assert answer.json.keys() == {"items"}
    return list(answer.json["items"])


def is_now(text: str) -> bool:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 30


@pytest.mark.parametrize("path", LISTS)
def test_of_nothing_there_is_an_empty_list(api: Api, path: str) -> None:
    assert items(api, path) == []


@pytest.mark.parametrize("path", [*LISTS, "/queues/mail"])
def test_an_unknown_parameter_is_refused(api: Api, path: str) -> None:
    answer = api.get(f"{path}?limit=5")
    assert answer.status == 422
    assert answer.json["detail"] == f"{path.replace('mail', '{queue}')} takes no parameters; there is no 'limit'"


def test_a_parameter_without_a_value_is_refused_too(api: Api) -> None:
    assert api.get("/workers?all").status == 422


@pytest.mark.parametrize("path", [*LISTS, "/queues/mail"])
def test_while_redis_is_away_it_is_503(api: Api, path: str) -> None:
    api.lose_redis("test")
    assert api.get(path).status == 503


@pytest.mark.parametrize("path", LISTS)
def test_a_foreign_host_is_refused(api: Api, path: str) -> None:
    assert api.get(path, host="evil.example").status == 403


@pytest.mark.parametrize("path", LISTS)
def test_lists_may_be_asked_for_by_head(api: Api, path: str) -> None:
    assert api.request("HEAD", path).status == 200


def test_what_a_supervisor_s_record_does_not_tell_is_null(api: Api, supervise: Supervise) -> None:
    supervise("alpha", claim_for=[])
    record = api.keys.supervisor("alpha")
    api.client.hdel(record, "lease_ms", "roster")
    [found] = items(api, "/supervisors")
    assert (found["heard_at"], found["restarts"], found["pid"]) == (None, None, 4711)
    api.client.delete(record)
    [found] = items(api, "/supervisors")
    assert {name for name, value in found.items() if value is None} == {
        *("host", "pid", "version", "workers", "heard_at", "restarts", "loop_lag_ms", "loop_lag_most_ms"),
        *("held_types", "held_slots", "stale", "stale_writes"),
    }
    assert items(api, "/workers") == []


def test_a_queue_shows_what_waits_and_who_serves_it(api: Api, supervise: Supervise) -> None:
    supervise("alpha", queues="mail=2")
    for priority in (5, 9, 5):
        api.post("/jobs", {"queue": "mail", "priority": priority})
    queue = api.get("/queues/mail").json
    assert is_now(queue.pop("oldest_at"))
    assert 0 <= queue.pop("oldest_seconds") < 30
    assert queue == {
        "name": "mail",
        "pending": 3,
        "by_priority": {"9": 1, "5": 2},
        "pause": None,
        "supervisors": ["alpha"],
    }


def test_a_list_of_queues_shows_each_as_it_shows_alone(api: Api, supervise: Supervise) -> None:
    api.post("/jobs", {"queue": "mail"})
    api.post("/jobs", {"queue": "images"})
    supervise("alpha", claim_for=[7, 8])
    alone = [api.get(f"/queues/{name}").json for name in ("images", "mail")]
    assert items(api, "/queues") == alone
    assert (alone[0]["pending"], alone[0]["oldest_at"], alone[0]["oldest_seconds"]) == (0, None, None)


def test_a_queue_shows_its_pause_or_the_one_of_everything(api: Api) -> None:
    api.post("/jobs", {"queue": "mail"})
    api.post("/jobs/pause", {"reason": "deploy"})
    pause = api.get("/queues/mail").json["pause"]
    assert is_now(pause.pop("since"))
    assert pause == {"queue": None, "who": "api 127.0.0.1", "reason": "deploy"}
    api.post("/jobs/pause", {"queue": "mail"})
    assert api.get("/queues/mail").json["pause"]["queue"] == "mail"


@pytest.mark.parametrize("name", ["mail", "a%20b", "*", "x" * 5000])
def test_a_queue_that_never_held_a_job_is_404(api: Api, name: str) -> None:
    api.post("/jobs")
    answer = api.get(f"/queues/{name}")
    assert answer.status == 404
    assert answer.json["detail"].startswith("there is no queue ")
    assert len(answer.json["detail"]) < 250


def test_a_supervisor_shows_who_it_is_and_what_it_serves(api: Api, supervise: Supervise) -> None:
    api.post("/jobs", {"queue": "mail"})
    roster = Roster((WORKER,), 2, 1.5, 60.25, (HELD,), (SLOT,), "it does not load", 4)
    epoch = supervise("alpha", roster=roster, queues="mail=3 images=1", claim_for=[7])
    [supervisor] = items(api, "/supervisors")
    assert is_now(supervisor.pop("started_at"))
    assert is_now(supervisor.pop("heard_at"))
    assert 0 < supervisor.pop("lease_left_seconds") <= 15
    assert supervisor == {
        "name": "alpha",
        "epoch": epoch,
        "host": "host",
        "pid": 4711,
        "version": "1",
        "workers": 2,
        "queues": [{"name": "mail", "weight": 3}, {"name": "images", "weight": 1}],
        "running": 1,
        "restarts": 2,
        "loop_lag_ms": 1.5,
        "loop_lag_most_ms": 60.25,
        "held_types": [
            {
                "type": "mail",
                "why": "it crashes",
                "since": "2027-01-15T08:00:00.000Z",
                "until": "2027-01-15T08:00:10.000Z",
            }
        ],
        "held_slots": [{"slot": 1, "until": "2027-01-15T08:00:00.000Z", "why": "SIGSEGV before it reported"}],
        "stale": "it does not load",
        "stale_writes": 4,
    }


def test_a_worker_shows_what_it_uses_and_what_it_runs(api: Api, supervise: Supervise) -> None:
    job_id = api.post("/jobs").json["id"]
    supervise("alpha", roster=Roster((WORKER, msgspec.structs.replace(WORKER, pid=8))), claim_for=[7])
    busy, idle = items(api, "/workers")
    job = busy.pop("job")
    assert is_now(job.pop("started_at"))
    assert 0 <= job.pop("run_seconds") < 30
    assert job == {"id": job_id, "type": "echo", "attempt": 1}
    assert busy == {
        "supervisor": "alpha",
        "pid": 7,
        "state": "busy",
        "started_at": "2027-01-15T08:00:00.123Z",
        "jobs": 3,
        "rss_bytes": 4096,
        "cpu_seconds": 0.25,
    }
    assert (idle["pid"], idle["state"], idle["job"]) == (8, "idle", None)


def test_of_a_worker_forked_since_the_last_beat_what_is_not_known_is_null(api: Api, supervise: Supervise) -> None:
    api.post("/jobs")
    supervise("alpha", claim_for=[7])
    [worker] = items(api, "/workers")
    assert (worker["pid"], worker["state"]) == (7, "busy")
    assert [worker[name] for name in ("started_at", "jobs", "rss_bytes", "cpu_seconds")] == [None] * 4


def test_handlers_are_shown_by_name_as_they_were_declared(api: Api) -> None:
    api.publish("noop")
    defaults = HandlerDefaults(queue="images", timeout=None)
    entry = HandlerEntry("image.resize", {"type": "object"}, defaults, "Resizes.", "d1")
    api.publish_entry(entry)
    resize, noop = items(api, "/handlers")
    assert is_now(resize.pop("seen_at"))
    assert resize == {
        "type": "image.resize",
        "description": "Resizes.",
        "schema": {"type": "object"},
        "defaults": {"queue": "images", "timeout": None},
        "digest": "d1",
    }
    assert (noop["type"], noop["defaults"]) == ("noop", {})
