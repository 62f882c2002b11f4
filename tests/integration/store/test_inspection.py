"""What an inspection reads: on a server that tells, and on one that does not."""

from collections.abc import Iterator

import pytest
import redis

from jobworker.store.catalogue import HandlerEntry, fingerprints
from jobworker.store.fleet import QueueShare
from jobworker.store.inspection import Inspection
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.states import JobState, Outcome
from tests.support.redis_server import RedisServer
from tests.support.world import LEASE_MS, Supervisor, World


@pytest.fixture
def inspection(world: World) -> Inspection:
    return Inspection(world.client, world.keys, world.terms.retention)


@pytest.mark.real
def test_a_server_tells_about_itself(redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as client:
        facts = Inspection(client, Keys(), Retention()).server()
    assert facts.info["role"] == "master"
    assert facts.info["maxmemory_policy"] == "noeviction"
    assert facts.config["appendfsync"] == "always"
    assert facts.config["hash-max-listpack-value"].isdigit()
    assert 0 < facts.round_trip_ms < 1000
    # The same machine, hence the same clock.
    assert abs(facts.clock_ahead_ms) < 1000
    assert facts.schema is None


@pytest.fixture
def restricted(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client whose user may neither INFO nor CONFIG."""
    with redis.Redis(port=redis_server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info", "-config")
        client = redis.Redis(port=redis_server.port, username="app", password="secret")
        yield client
        client.close()
        admin.execute_command("ACL", "DELUSER", "app")


@pytest.mark.real
def test_what_an_acl_denies_is_left_out(restricted: redis.Redis) -> None:
    facts = Inspection(restricted, Keys(), Retention()).server()
    assert (facts.info, facts.config) == ({}, {})


def test_the_version_of_the_data_is_told_once_there_is_any(
    world: World, inspection: Inspection, alpha: Supervisor
) -> None:
    assert inspection.server().schema == "1.0"


def test_jobs_are_counted_by_state_and_queue(world: World, inspection: Inspection, alpha: Supervisor) -> None:
    world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.enqueue()
    alpha.claim_one()
    world.enqueue(queue="images")
    world.enqueue(queue="images")
    world.enqueue(delay_ms=1000)
    population = inspection.population()
    assert population.jobs == {
        JobState.SCHEDULED: 1,
        JobState.PENDING: 2,
        JobState.RUNNING: 1,
        JobState.SUCCEEDED: 1,
        JobState.FAILED: 0,
        JobState.CANCELLED: 0,
        JobState.EXPIRED: 0,
    }
    assert population.pending == {"default": 0, "images": 2}


def test_pauses_are_told(world: World, inspection: Inspection) -> None:
    world.store.pause("images", who="me")
    assert [pause.queue for pause in inspection.population().pauses] == ["images"]


def test_a_member_tells_who_it_is_and_what_it_serves(world: World, inspection: Inspection, alpha: Supervisor) -> None:
    entry = HandlerEntry("resize", {"type": "object"})
    record = world.keys.supervisor("alpha")
    world.client.hset(record, "queues", "images=2 mail")
    world.client.hset(record, "types", fingerprints([entry]))
    world.enqueue(queue="mail")
    alpha.claim_one(queues=["mail"])
    [member] = inspection.population().members
    assert (member.name, member.epoch, member.host, member.pid) == ("alpha", alpha.epoch, "host", 4711)
    assert (member.queues, member.running) == ((QueueShare("images", 2), QueueShare("mail")), 1)
    assert member.types == {"resize": entry.fingerprint}
    assert (member.serves("mail"), member.serves("other")) == (True, False)


def test_one_without_queues_serves_them_all(world: World, inspection: Inspection, alpha: Supervisor) -> None:
    [member] = inspection.population().members
    assert member.serves("any")
    assert member.types == {}


def test_the_lease_is_measured_by_the_server_s_clock(world: World, inspection: Inspection, alpha: Supervisor) -> None:
    seconds, microseconds = world.client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    world.client.zadd(world.keys.supervisors, {alpha.member: now_ms + LEASE_MS, "beta:7": now_ms - 5000, "gamma:8": 0})
    left = {member.name: member.lease_left_ms for member in inspection.population().members}
    assert 0 < left["alpha"] <= LEASE_MS
    assert left["beta"] <= -5000
    assert left["gamma"] == 0


def test_a_predecessor_does_not_borrow_its_successor_s_record(world: World, inspection: Inspection) -> None:
    old = world.register("alpha")
    new = world.register("alpha", proofs=["lock"])
    members = inspection.population().members
    assert [(member.epoch, member.host) for member in members] == [(old.epoch, None), (new.epoch, "host")]
