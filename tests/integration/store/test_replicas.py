"""Replicas that are waited for: on a real one, there, frozen, and in the place of its primary."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis

from jobworker.store.errors import NotReplicated
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.replicas import Replicas
from jobworker.store.retention import Retention
from jobworker.store.states import JobState
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real

KEYS = Keys()
SHORT_MS = 200


@pytest.fixture
def client(own_server: RedisServer) -> Iterator[redis.Redis]:
    client = redis.Redis(port=own_server.port)
    yield client
    client.close()


def store_of(client: redis.Redis, wanted: int = 1, timeout_ms: int = 10_000) -> JobStore:
    return JobStore(client, KEYS, Retention(), Replicas(wanted, timeout_ms))


def states(accepted: Sequence[Acceptance]) -> list[JobState]:
    return [each.status for each in accepted]


def is_there(server: RedisServer, job: NewJob) -> bool:
    with redis.Redis(port=server.port) as client:
        there: Any = client.exists(KEYS.job(job.id))
    return bool(there)


def test_a_job_that_was_taken_is_with_the_replica(client: redis.Redis, replica: RedisServer) -> None:
    store = store_of(client)
    for _ in range(20):
        job = NewJob(new_job_id(), "echo")
        assert states(store.enqueue([job])) == [JobState.PENDING]
        assert is_there(replica, job)


def test_one_that_nobody_confirms_is_refused_in_time_and_stored(
    client: redis.Redis, own_server: RedisServer, replica: RedisServer
) -> None:
    store, job = store_of(client, timeout_ms=SHORT_MS), NewJob(new_job_id(), "echo")
    replica.freeze()
    with pytest.raises(NotReplicated, match=rf"0 of 1 replica confirmed job {job.id} within 0\.2 s"):
        store.enqueue([job])
    assert is_there(own_server, job)


def test_its_repeat_is_confirmed_no_sooner_than_it_is_replicated(client: redis.Redis, replica: RedisServer) -> None:
    store, job = store_of(client, timeout_ms=SHORT_MS), NewJob(new_job_id(), "echo")
    replica.freeze()
    for _ in range(3):
        # On a connection that has written nothing yet, too.
        client.connection_pool.disconnect()
        with pytest.raises(NotReplicated):
            store.enqueue([job])
    replica.resume()
    assert states(store_of(client).enqueue([job])) == [JobState.PENDING]
    assert is_there(replica, job)


def test_a_request_with_a_known_key_waits_anew_for_the_first_job(client: redis.Redis, replica: RedisServer) -> None:
    store, key = store_of(client, timeout_ms=SHORT_MS), IdempotencyKey.of("mine", b"", 60_000)
    first, second = (NewJob(new_job_id(), "echo", key=key) for _ in range(2))
    replica.freeze()
    for job in (first, second):
        with pytest.raises(NotReplicated, match=f"confirmed job {first.id}"):
            store.enqueue([job])
    with pytest.raises(NotReplicated, match=f"confirmed job {first.id}"):
        store.accepted(key)
    replica.resume()
    [accepted] = store_of(client).enqueue([second])
    assert (accepted.id, store_of(client).accepted(key)) == (first.id, accepted)
    assert is_there(replica, first)


def test_nobody_is_waited_for_unless_asked(client: redis.Redis, replica: RedisServer) -> None:
    replica.freeze()
    assert states(store_of(client, wanted=0).enqueue([NewJob(new_job_id(), "echo")])) == [JobState.PENDING]


def test_connections_are_given_back(client: redis.Redis, replica: RedisServer) -> None:
    store = store_of(client)
    for _ in range(5):
        store.enqueue([NewJob(new_job_id(), "echo")])
    assert client.info("clients")["connected_clients"] <= 3


def test_what_redis_tells_of_its_replicas_is_known(client: redis.Redis, replica: RedisServer) -> None:
    client.config_set("min-replicas-to-write", "1")
    found = store_of(client).durability()
    assert (found.replicas, found.min_replicas_to_write, found.wait_replicas) == (1, 1, 1)
    assert (found.appendonly, found.appendfsync, found.maxmemory_policy) == (True, "always", "noeviction")
