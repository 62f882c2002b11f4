"""The audit of the secondary indexes: each fault is planted, seen, and nothing else is."""

from collections.abc import Iterator

import pytest

from jobworker.store.audit import Audit
from jobworker.store.retention import Retention
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def flaws(world: World) -> list[tuple[str, str, str]]:
    report = Audit(world.client, world.keys, world.terms.retention, most=None).run()
    return [(flaw.kind.value, flaw.name, flaw.index) for flaw in report.flaws]


@pytest.fixture
def job_id(world: World) -> str:
    return world.enqueue()


def test_what_the_scripts_do_to_a_job_that_may_expire_has_no_flaw(world: World, alpha: Supervisor) -> None:
    for found in stages_of_a_job_that_may_expire(world, alpha):
        assert found == []


def stages_of_a_job_that_may_expire(world: World, alpha: Supervisor) -> Iterator[list[tuple[str, str, str]]]:
    world.enqueue(expires_at_ms=START_MS + 10)
    yield flaws(world)
    claim = alpha.claim_one()
    yield flaws(world)
    alpha.settle(claim, Outcome.SHUTDOWN)
    yield flaws(world)
    alpha.settle(alpha.claim_one(), Outcome.RAISED, delay_ms=5)
    yield flaws(world)
    world.enqueue(expires_at_ms=START_MS + 10)
    world.advance(10)
    alpha.exchange()
    yield flaws(world)


@pytest.mark.parametrize("index", ["created", "by_type:echo"])
def test_a_job_that_an_index_omits(world: World, job_id: str, index: str) -> None:
    world.enqueue()
    world.client.zrem(f"{world.keys.base}{index}", job_id)
    assert flaws(world) == [("omitted", job_id, index)]


def test_a_job_that_nothing_will_let_expire(world: World) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 10)
    world.client.zrem(world.keys.expiring, job_id)
    assert flaws(world) == [("omitted", job_id, "expiring")]


def test_a_job_of_a_type_that_nobody_knows(world: World, job_id: str) -> None:
    world.client.srem(world.keys.types, "echo")
    assert flaws(world) == [("omitted", job_id, "types")]


def test_a_job_of_another_type_than_the_index_s(world: World, job_id: str) -> None:
    world.client.hset(world.keys.job(job_id), "type", "other")
    assert flaws(world) == [
        ("misfiled", job_id, "by_type:echo"),
        ("omitted", job_id, "types"),
        ("omitted", job_id, "by_type:other"),
    ]


def test_a_job_that_its_tag_does_not_name(world: World) -> None:
    job_id = world.enqueue(tags=("a", "b"))
    world.client.zrem(world.keys.by_tag("a"), job_id)
    world.client.srem(world.keys.tags, "b")
    assert flaws(world) == [
        *[("empty", "a", "tags"), ("omitted", job_id, "tags"), ("omitted", job_id, "by_tag:a")],
    ]


def test_a_job_under_a_tag_that_it_has_not(world: World) -> None:
    world.enqueue(tags=("a",))
    other = world.enqueue()
    world.client.zadd(world.keys.by_tag("a"), {other: START_MS})
    assert flaws(world) == [("misfiled", other, "by_tag:a")]


def test_a_job_under_two_types(world: World, job_id: str) -> None:
    world.enqueue(type="other")
    world.client.zadd(world.keys.by_type("other"), {job_id: START_MS})
    assert flaws(world) == [("misfiled", job_id, "by_type:other")]


@pytest.mark.parametrize("index", ["created", "by_type:echo"])
def test_a_job_at_another_time_than_its_own(world: World, job_id: str, index: str) -> None:
    world.client.zadd(f"{world.keys.base}{index}", {job_id: 1})
    assert flaws(world) == [("misfiled", job_id, index)]


def test_a_job_that_is_said_to_expire_and_does_not(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.expiring, {job_id: 1})
    assert flaws(world) == [("misfiled", job_id, "expiring")]


def test_a_job_that_only_the_secondary_indexes_remember(world: World, job_id: str) -> None:
    world.client.delete(world.keys.job(job_id))
    world.client.zrem(world.keys.ready("default"), job_id)
    assert flaws(world) == [("left", job_id, "created")]


def test_a_type_without_a_job(world: World, job_id: str) -> None:
    world.client.sadd(world.keys.types, "rare")
    assert flaws(world) == [("empty", "rare", "types")]


@pytest.mark.parametrize("retention", [Retention(keep_ms=60_000, keep_failed_ms=120_000)])
def test_an_ended_job_that_its_ttl_has_taken_stays_in_the_indexes_until_it_is_swept(
    world: World, alpha: Supervisor, job_id: str
) -> None:
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.client.delete(world.keys.job(job_id))
    # The audit goes by the server's clock, to which the scripts' is a year to come.
    world.client.zadd(world.keys.ended("succeeded"), {job_id: 1_600_000_000_000})
    assert flaws(world) == []
    world.client.zrem(world.keys.ended("succeeded"), job_id)
    assert flaws(world) == [("left", job_id, "created")]
