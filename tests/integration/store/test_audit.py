"""The audit: each fault is planted, seen, and nothing else is."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from jobworker.store.audit import Audit
from jobworker.store.flaws import STEP, Flaw, Kind, Report
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.report import LogChunk
from jobworker.store.retention import Retention
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World


def audit(world: World, most: int | None = None, client: redis.Redis | None = None) -> Report:
    return Audit(client or world.client, world.keys, world.terms.retention, most=most).run()


def flaws(world: World) -> list[tuple[str, str, str]]:
    return [(flaw.kind.value, flaw.name, flaw.index) for flaw in audit(world).flaws]


@pytest.fixture
def job_id(world: World) -> str:
    return world.enqueue()


def test_what_the_scripts_leave_behind_has_no_flaw(world: World, alpha: Supervisor) -> None:
    world.enqueue(delay_ms=60_000)
    world.enqueue(queue="other", expires_at_ms=world.clock.now_ms + 60_000)
    for outcome in (Outcome.SUCCEEDED, Outcome.RAISED, Outcome.CRASHED):
        world.enqueue()
        alpha.settle(alpha.claim_one(queues=["default"]), outcome)
    world.enqueue()
    alpha.claim(1)
    before = world.snapshot()
    report = audit(world)
    assert (report.flaws, report.complete, report.entries, report.records) == ([], True, 18, 6)
    assert world.snapshot() == before


def test_a_job_whose_supervisor_has_a_successor_is_no_flaw(world: World, alpha: Supervisor, job_id: str) -> None:
    alpha.claim_one()
    world.register("alpha", proofs=["lock"])
    assert flaws(world) == []


def test_a_record_that_is_gone(world: World, job_id: str) -> None:
    world.client.delete(world.keys.job(job_id))
    assert flaws(world) == [("gone", job_id, "ready:default")]


def test_an_index_entry_that_is_gone(world: World, job_id: str) -> None:
    world.client.zrem(world.keys.ready("default"), job_id)
    assert flaws(world) == [("unlisted", job_id, "ready:default")]


def test_a_job_in_two_state_indexes(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.scheduled, {job_id: 1})
    assert flaws(world) == [("doubled", job_id, "scheduled")]


def test_a_job_in_another_index_than_its_own(world: World, job_id: str) -> None:
    world.client.zrem(world.keys.ready("default"), job_id)
    world.client.zadd(world.keys.ended("failed"), {job_id: 1})
    assert flaws(world) == [("elsewhere", job_id, "ended:failed"), ("unlisted", job_id, "ready:default")]


def test_a_job_out_of_order(world: World, job_id: str) -> None:
    world.client.zadd(world.keys.ready("default"), {job_id: 1})
    assert flaws(world) == [("disordered", job_id, "ready:default")]


def test_a_token_that_is_not_the_record_s(world: World, alpha: Supervisor, job_id: str) -> None:
    alpha.claim_one()
    world.client.hset(world.keys.running("alpha", alpha.epoch), job_id, "1")
    assert flaws(world) == [("disordered", job_id, f"running:{alpha.member}")]


def test_a_record_that_says_nothing(world: World, job_id: str) -> None:
    world.client.hdel(world.keys.job(job_id), "status")
    assert flaws(world) == [("damaged", job_id, "ready:default"), ("damaged", job_id, "none")]


def test_a_running_job_whose_owner_is_no_member(world: World, alpha: Supervisor, job_id: str) -> None:
    alpha.claim_one()
    world.client.zrem(world.keys.supervisors, alpha.member)
    assert flaws(world) == [("unseen", job_id, f"running:{alpha.member}")]


def test_a_pending_job_in_a_queue_that_nobody_knows(world: World, job_id: str) -> None:
    world.client.srem(world.keys.queues, "default")
    assert flaws(world) == [("unseen", job_id, "ready:default")]


@pytest.mark.parametrize("retention", [Retention(keep_ms=60_000, keep_failed_ms=120_000)])
def test_an_ended_job_s_entry_may_outlive_its_record_but_only_after_its_time(
    world: World, alpha: Supervisor, job_id: str
) -> None:
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.client.delete(world.keys.job(job_id))
    # The clock of the scripts stands still in a year to come; the audit goes by the server's.
    assert flaws(world) == [("forgotten", job_id, "ended:succeeded")]
    world.client.zadd(world.keys.ended("succeeded"), {job_id: 1_600_000_000_000})
    assert flaws(world) == []


def test_no_more_is_looked_at_than_was_asked_for(world: World) -> None:
    world.store.enqueue([NewJob(new_job_id(), "echo") for _ in range(20)])
    report = audit(world, most=15)
    assert (report.entries, report.records, report.complete) == (45, 15, False)
    report = audit(world, most=20)
    assert (report.entries, report.records, report.complete) == (60, 20, True)


def test_a_walk_of_many_steps_comes_to_the_end(world: World) -> None:
    for _ in range(4):
        world.store.enqueue([NewJob(new_job_id(), "echo") for _ in range(200)])
    world.enqueue()
    report = audit(world)
    assert report.records == 801 > 4 * STEP
    assert (report.entries, report.flaws, report.complete) == (3 * 801, [], True)


def test_other_keys_of_a_job_and_other_prefixes_are_not_records(world: World, job_id: str) -> None:
    world.client.hset(world.keys.job(f"{job_id}:log"), "head", "x")
    world.client.hset("other:{0}:job:1", "status", "pending")
    assert audit(world).records == 1


class MovesMeanwhile:
    """A client that lets something happen after the first pass over the records."""

    def __init__(self, client: redis.Redis, happens: Callable[[], object]) -> None:
        self._client = client
        self._happens: Callable[[], object] | None = happens

    def pipeline(self, *, transaction: bool) -> Any:
        if self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return self._client.pipeline(transaction=transaction)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_job_that_moves_during_the_walk_is_no_flaw(world: World, alpha: Supervisor, job_id: str) -> None:
    moving = cast("redis.Redis", MovesMeanwhile(world.client, alpha.claim_one))
    assert audit(world, client=moving).flaws == []
    assert world.status(job_id) == "running"


def test_a_flaw_names_its_kind(world: World, job_id: str) -> None:
    world.client.delete(world.keys.job(job_id))
    assert audit(world).flaws == [Flaw(Kind.GONE, job_id, "ready:default")]


def test_output_whose_record_is_gone(world: World, alpha: Supervisor, job_id: str) -> None:
    chunk = LogChunk(0, world.clock.now_ms, b"x")
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, log=(chunk,))
    assert flaws(world) == []
    world.store.delete(job_id)
    world.client.hset(world.keys.log(job_id), "written_bytes", 1)
    assert flaws(world) == [("stray", job_id, f"job:{job_id}:log")]
