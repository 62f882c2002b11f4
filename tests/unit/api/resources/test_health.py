"""GET /livez and GET /readyz."""

from collections.abc import Callable

import pytest

from jobworker.store.errors import StoreError
from tests.unit.api.conftest import Api

Supervise = Callable[..., int]


def test_liveness_needs_no_redis(api: Api) -> None:
    api.lose_redis("test")
    assert (api.get("/livez").status, api.get("/livez").json) == (200, {"status": "ok"})


def test_readiness_warns_that_no_supervisor_is_running(api: Api) -> None:
    answer = api.get("/readyz")
    assert (answer.status, answer.json) == (200, {"status": "ready", "warnings": ["no supervisor is running"]})


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
    assert api.get("/readyz").json == {"status": "ready", "warnings": []}


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


def test_readiness_warns_of_what_redis_refuses(api: Api) -> None:
    with pytest.raises(StoreError), api.available:
        raise StoreError("test")
    assert "some requests are answered with 503: test" in api.get("/readyz").json["warnings"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_may_use_head(api: Api, path: str) -> None:
    answer = api.request("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
