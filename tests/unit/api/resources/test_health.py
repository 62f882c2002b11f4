"""GET /livez and GET /readyz."""

import asyncio

import pytest

from jobworker.store.errors import StoreError
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.keys import Keys
from tests.support.redis_source import RedisSource
from tests.unit.api.conftest import Api


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


def test_readiness_has_no_warnings_with_a_supervisor(api: Api, redis_source: RedisSource) -> None:
    async def register() -> None:
        client = redis_source.connect_async()
        who = Registration(host="host", pid=1, version="1", workers=1)
        await Incarnation.register(client, Keys(), "alpha", who, Terms(), lock_id="lock")
        await client.aclose()

    asyncio.run(register())
    assert api.get("/readyz").json == {"status": "ready", "warnings": []}


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
