"""A 202 that waits for replicas: what is taken survives a failover, what is not confirmed is said to."""

import re
import time
from collections.abc import Iterator

import pytest
import redis

from jobworker.store.keys import Keys
from jobworker.store.settings import RedisSettings
from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real

PROMISE_SECONDS = 3.0


@pytest.fixture
def api(own_server: RedisServer, replica: RedisServer) -> Iterator[ApiProcess]:
    with running_api(RedisSettings(url=own_server.url, wait_replicas=1)) as api:
        yield api


def test_what_was_accepted_is_there_after_a_failover(
    api: ApiProcess, own_server: RedisServer, replica: RedisServer
) -> None:
    accepted = [api.request("POST", "/jobs") for _ in range(50)]
    own_server.kill()
    with redis.Redis(port=replica.port) as client:
        client.replicaof("NO", "ONE")
        for reply in accepted:
            assert reply.status == 202
            assert client.exists(Keys().job(reply.json["id"]))


def test_a_job_that_no_replica_confirms_is_503_and_its_request_can_be_sent_again(
    api: ApiProcess, replica: RedisServer
) -> None:
    replica.freeze()
    key = {"Idempotency-Key": "mine"}
    began = time.monotonic()
    refused = api.request("POST", "/jobs", headers=key)
    assert time.monotonic() - began < PROMISE_SECONDS
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    found = re.match(r"0 of 1 replica confirmed job ([0-9a-f-]{36}) within 1 s; it is stored", refused.json["detail"])
    assert found
    assert api.request("GET", f"/jobs/{found[1]}").json["status"] == "pending"
    assert any("0 of 1 replica" in warning for warning in api.request("GET", "/readyz").json["warnings"])
    replica.resume()
    accepted = api.request("POST", "/jobs", headers=key)
    assert (accepted.status, accepted.json["id"]) == (202, found[1])


def test_readiness_says_what_a_202_means_here(api: ApiProcess) -> None:
    ready = api.request("GET", "/readyz").json
    assert ready["durability"] == {
        "meaning": "a 202 means on the disk of Redis (appendfsync always); 1 replica confirmed to have the job",
        "appendonly": True,
        "appendfsync": "always",
        "maxmemory_policy": "noeviction",
        "replicas": 1,
        "min_replicas_to_write": 0,
        "wait_replicas": 1,
    }
    [warning] = [warning for warning in ready["warnings"] if "min-replicas-to-write" in warning]
    assert warning.endswith("without them a job is then refused before it is stored")
