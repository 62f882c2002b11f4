"""GET /livez and GET /readyz."""

from collections.abc import Callable

import pytest

from jobworker.store.durability import Durability
from jobworker.store.errors import StoreError
from tests.unit.api.conftest import Api

Supervise = Callable[..., int]
FIELDS = (*("appendonly", "appendfsync", "maxmemory_policy", "replicas", "min_replicas_to_write", "wait_replicas"),)


def test_liveness_needs_no_redis(api: Api) -> None:
    api.lose_redis("test")
    assert (api.get("/livez").status, api.get("/livez").json) == (200, {"status": "ok"})


def test_readiness_warns_that_no_supervisor_is_running(api: Api) -> None:
    answer = api.get("/readyz")
    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert answer.json["warnings"] == ["no supervisor is running"]


def test_readiness_tells_each_pause_with_its_reason(api: Api) -> None:
    api.post("/jobs/pause")
    api.post("/jobs/pause", {"queue": "images", "reason": "disk is full"})
    warnings = api.get("/readyz").json["warnings"]
    assert any(warning.startswith("paused: every queue, since 2") for warning in warnings)
    assert any(warning.startswith("paused: queue images, since 2") for warning in warnings)
    assert any(warning.endswith("by api 127.0.0.1: disk is full") for warning in warnings)


def warnings(api: Api) -> list[str]:
    return list(api.get("/readyz").json["warnings"])


def test_readiness_has_no_warnings_with_a_supervisor(api: Api, supervise: Supervise) -> None:
    supervise("alpha")
    api.post("/jobs", {"queue": "any"})
    assert warnings(api) == []


@pytest.mark.parametrize(("silent_ms", "warned"), [(9_000, False), (11_000, True)])
def test_readiness_warns_of_a_supervisor_that_has_missed_its_beats(
    api: Api, supervise: Supervise, silent_ms: int, warned: bool
) -> None:
    epoch = supervise("alpha")
    api.client.zincrby(api.keys.supervisors, -silent_ms, f"alpha:{epoch}")
    assert warnings(api) == (["supervisor alpha was last heard 11 s ago"] if warned else [])


@pytest.mark.parametrize("fields", [["lease_ms", "roster"], ["epoch"]], ids=["of an older build", "half gone"])
def test_readiness_is_told_also_when_a_record_tells_little(api: Api, supervise: Supervise, fields: list[str]) -> None:
    supervise("alpha")
    api.client.hdel(api.keys.supervisor("alpha"), *fields)
    assert warnings(api) == []


def test_readiness_warns_of_jobs_in_queues_that_nobody_serves(api: Api, supervise: Supervise) -> None:
    supervise("alpha", queues="mail")
    for queue in ("mail", "images", "video"):
        api.post("/jobs", {"queue": queue})
    assert warnings(api) == ["jobs wait in queues that no running supervisor serves: images, video"]
    supervise("beta", queues="images=2 video=1")
    assert warnings(api) == []


def test_readiness_does_not_name_a_thousand_queues(api: Api, supervise: Supervise) -> None:
    supervise("alpha", queues="mail")
    for number in range(8):
        api.post("/jobs", {"queue": f"q{number}"})
    assert warnings(api)[0].endswith("serves: q0, q1, q2, q3, q4 and 3 more")


def test_readiness_is_503_with_a_time_to_retry_while_redis_is_away(api: Api) -> None:
    api.lose_redis("Redis is not reachable: test")
    answer = api.get("/readyz")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["detail"] == "Redis is not reachable: test"


def test_readiness_says_what_a_202_means_or_that_it_cannot_be_read(api: Api) -> None:
    found = api.get("/readyz").json["durability"]
    assert set(found) == {"meaning", *FIELDS}
    # fakeredis knows neither INFO nor CONFIG, as one that denies them.
    if found["appendonly"] is None:
        assert found["meaning"] == "what a 202 means cannot be read: Redis denies INFO or CONFIG to this user"
        assert {found[name] for name in FIELDS} == {None, 0}
    else:
        assert found["meaning"] == "a 202 means on the disk of Redis (appendfsync always)"


def test_readiness_warns_of_what_could_lose_jobs(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {"aof_enabled": 0, "maxmemory_policy": "allkeys-lru", "maxmemory": 100, "connected_slaves": 0}
    monkeypatch.setattr(api.store, "durability", lambda: Durability.of(info, {"save": ""}, wait_replicas=1))
    # The application was given the store's own before.
    api = Api(api.client, store=api.store)
    first, *others = warnings(api)
    assert first == "no supervisor is running"
    assert [warning.partition(":")[0] for warning in others] == [
        "a 202 means in memory",
        "no replica connected, and redis.wait_replicas is 1",
        "maxmemory-policy is allkeys-lru",
    ]
    assert others[2].endswith("jobs are thrown away; set `maxmemory-policy noeviction`")


def test_readiness_warns_of_what_redis_refuses(api: Api) -> None:
    with pytest.raises(StoreError), api.available:
        raise StoreError("test")
    assert "some requests are answered with 503: test" in api.get("/readyz").json["warnings"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_may_use_head(api: Api, path: str) -> None:
    answer = api.request("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
