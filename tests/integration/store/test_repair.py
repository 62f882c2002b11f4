"""Repair: each fault is planted and found, and gone afterwards; the scripts' own audit runs after each."""

from collections.abc import Callable
from typing import Final

import pytest

from jobworker.store.audit import Audit
from jobworker.store.flaws import Flaw, Kind
from jobworker.store.repair import Mending, Repair
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def flaws(world: World) -> list[Flaw]:
    return Audit(world.client, world.keys, world.terms.retention, most=None).run().flaws


def repair(world: World) -> list[tuple[str, str]]:
    """Return what was found and what became of it, once there is nothing left to find."""
    mended = list(Repair(world.watched, world.keys, world.terms.retention).mend(flaws(world)))
    assert flaws(world) == []
    return [(item.flaw.kind.value, item.mending.value) for item in mended]


def lose_entry(world: World, job_id: str) -> None:
    world.client.zrem(world.keys.ready("default"), job_id)


def double(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.scheduled, {job_id: 1})


def displace(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.ready("default"), {job_id: 1})


def lose_queue(world: World, _: str) -> None:
    world.client.srem(world.keys.queues, "default")


def lose_time(world: World, job_id: str) -> None:
    world.client.zrem(world.keys.created, job_id)


def lose_type(world: World, _: str) -> None:
    world.client.srem(world.keys.types, "echo")


def lose_expiry(world: World, job_id: str) -> None:
    world.client.zrem(world.keys.expiring, job_id)


def expire_at_another_time(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.expiring, {job_id: 1})


def stand_under_another_type(world: World, job_id: str) -> None:
    world.client.sadd(world.keys.types, "other")
    world.client.zadd(world.keys.by_type("other"), {job_id: 1})


FAULTS: Final[dict[Callable[[World, str], None], list[tuple[str, str]]]] = {
    lose_entry: [("unlisted", "filed")],
    double: [("doubled", "filed")],
    displace: [("disordered", "filed")],
    lose_queue: [("unseen", "filed")],
    lose_time: [("omitted", "filed")],
    lose_type: [("omitted", "filed")],
    lose_expiry: [("omitted", "filed")],
    expire_at_another_time: [("misfiled", "filed")],
    stand_under_another_type: [("misfiled", "filed")],
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_job_that_waits_stands_afterwards_as_if_nothing_had_been(
    world: World, fault: Callable[[World, str], None]
) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 60_000)
    before = world.snapshot()
    fault(world, job_id)
    assert repair(world) == FAULTS[fault]
    changed = world.changes_since(before)
    assert {key for key in changed if not key.startswith("supervisor")} <= {"wake:default", "wake:*"}
    assert world.register("alpha").claim_one().id == job_id


def test_a_job_in_another_index_than_its_own_is_told_once_for_each(world: World) -> None:
    job_id = world.enqueue()
    lose_entry(world, job_id)
    world.client.zadd(world.keys.ended("failed"), {job_id: 1})
    assert repair(world) == [("elsewhere", "filed"), ("unlisted", "agrees")]


def test_a_job_that_a_living_supervisor_runs_stays_its_own(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.client.hdel(world.keys.running("alpha", alpha.epoch), claim.id)
    assert repair(world) == [("unlisted", "filed")]
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "succeeded"


def test_a_job_that_nobody_runs_any_more_is_put_back_and_has_spent_nothing(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 60_000)
    claim = alpha.claim_one()
    world.client.zrem(world.keys.supervisors, alpha.member)
    assert repair(world) == [("unseen", "put_back")]
    again = world.register("beta").claim_one()
    assert (again.id, again.attempt) == (job_id, 1)
    assert again.token > claim.token


def test_one_that_was_to_be_cancelled_is_cancelled_instead(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.claim_one()
    world.store.cancel(job_id)
    world.client.zrem(world.keys.supervisors, alpha.member)
    assert repair(world) == [("unseen", "put_back")]
    assert world.status(job_id) == "cancelled"


def test_one_that_two_supervisors_seem_to_run_is_left_with_the_one_that_its_record_names(
    world: World, alpha: Supervisor
) -> None:
    world.enqueue()
    claim, beta = alpha.claim_one(), world.register("beta")
    world.client.hset(world.keys.running("beta", beta.epoch), claim.id, "1")
    assert repair(world) == [("doubled", "filed")]
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "succeeded"


def test_what_is_left_of_a_job_without_a_record_goes(world: World) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 60_000)
    world.client.delete(world.keys.job(job_id))
    assert repair(world) == [("gone", "removed")]
    assert job_id not in str(world.snapshot())


def test_what_is_left_of_one_that_was_running_goes_too(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.claim_one()
    world.client.delete(world.keys.job(job_id))
    assert repair(world) == [("gone", "removed")]
    assert world.client.exists(world.keys.running("alpha", alpha.epoch)) == 0


def test_what_is_left_of_an_ended_one_goes_before_its_time(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.client.delete(world.keys.job(job_id))
    assert repair(world) == [("forgotten", "removed")]
    assert job_id not in str(world.snapshot())


@pytest.mark.parametrize("index", ["created", "by_type:echo", "expiring"])
def test_what_only_lists_know_goes(world: World, index: str) -> None:
    world.enqueue()
    world.client.zadd(f"{world.keys.base}{index}", {"gone": 1})
    assert repair(world) == [("left", "removed")]


def test_output_without_a_job_goes(world: World) -> None:
    world.client.hset(world.keys.log("gone"), "written_bytes", 1)
    assert repair(world) == [("stray", "removed")]


def test_a_type_without_a_job_goes_and_one_that_has_got_one_meanwhile_stays(world: World) -> None:
    world.enqueue()
    world.client.sadd(world.keys.types, "empty")
    found = [Flaw(Kind.EMPTY, name, "types") for name in ("echo", "empty")]
    mended = Repair(world.client, world.keys, world.terms.retention).mend(found)
    assert [item.mending for item in mended] == [Mending.AGREES, Mending.REMOVED]
    assert flaws(world) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "lost"),
        ("status", None),
        ("sequence", "next"),
        ("queue", None),
        ("failures", ""),
        ("type", None),
        ("expires_ms", "foo"),
        ("max_attempts", "x"),
    ],
)
def test_a_damaged_record_is_left_as_it_is(world: World, field: str, value: str | None) -> None:
    job_id = world.enqueue()
    if value is None:
        world.client.hdel(world.keys.job(job_id), field)
    else:
        world.client.hset(world.keys.job(job_id), field, value)
    before = world.snapshot()
    flaw = Flaw(Kind.DAMAGED, job_id, "ready:default")
    [mended] = Repair(world.client, world.keys, world.terms.retention).mend([flaw])
    assert mended.mending is Mending.DAMAGED
    assert world.snapshot() == before


@pytest.mark.parametrize("field", ["owner", "epoch", "token"])
def test_nor_is_one_that_does_not_say_who_runs_it(world: World, alpha: Supervisor, field: str) -> None:
    job_id = world.enqueue()
    alpha.claim_one()
    world.client.hdel(world.keys.job(job_id), field)
    before = world.snapshot()
    flaw = Flaw(Kind.ELSEWHERE, job_id, f"running:{alpha.member}")
    [mended] = Repair(world.client, world.keys, world.terms.retention).mend([flaw])
    assert mended.mending is Mending.DAMAGED
    assert world.snapshot() == before


def test_a_job_that_agrees_by_now_is_left_alone(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    claim = alpha.claim_one()
    [mended] = Repair(world.watched, world.keys, world.terms.retention).mend([Flaw(Kind.GONE, job_id, "ready:default")])
    assert mended.mending is Mending.AGREES
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "succeeded"
