"""What has ended goes: by its own TTL, by age, by number."""

from collections.abc import Callable

import pytest

from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World

KEEP_MS, KEEP_FAILED_MS = 60_000, 300_000
keeping = pytest.mark.parametrize(
    "retention", [Retention(keep_ms=KEEP_MS, keep_failed_ms=KEEP_FAILED_MS, keep_jobs=3)], ids=["keep 3"]
)


def succeed(world: World, alpha: Supervisor) -> str:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    return job_id


def fail(world: World, alpha: Supervisor) -> str:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.RAISED, final=True)
    return job_id


def cancel(world: World, alpha: Supervisor) -> str:
    job_id = world.enqueue()
    world.store.cancel(job_id)
    return job_id


def expire(world: World, alpha: Supervisor) -> str:
    job_id = world.enqueue(expires_at_ms=world.clock.now_ms + 1)
    world.advance(1)
    alpha.exchange()
    return job_id


ENDINGS: dict[str, tuple[Callable[[World, Supervisor], str], int]] = {
    "succeeded": (succeed, KEEP_MS),
    "failed": (fail, KEEP_FAILED_MS),
    "cancelled": (cancel, KEEP_MS),
    "expired": (expire, KEEP_MS),
}
every_ending = pytest.mark.parametrize("status", ENDINGS)


@keeping
@every_ending
def test_an_ended_job_has_a_ttl_of_an_hour_more(world: World, alpha: Supervisor, status: str) -> None:
    """So that trimming, which knows the indexes, comes first."""
    end, keep_ms = ENDINGS[status]
    keep_ms += 3_600_000
    ttl_ms = world.ttl_ms(world.keys.job(end(world, alpha)))
    assert keep_ms - 10_000 < ttl_ms <= keep_ms


@keeping
@every_ending
def test_the_oldest_go_when_there_are_too_many_of_a_status(world: World, alpha: Supervisor, status: str) -> None:
    end, _ = ENDINGS[status]
    ids = []
    for _ in range(5):
        ids.append(end(world, alpha))
        world.advance(1)
    data = world.snapshot()
    assert data[f"ended:{status}"].keys() == set(ids[2:])
    assert {key for key in data if key.startswith("job:")} == {f"job:{job_id}" for job_id in ids[2:]}


@keeping
@every_ending
def test_what_is_over_age_goes(world: World, alpha: Supervisor, status: str) -> None:
    end, keep_ms = ENDINGS[status]
    old = end(world, alpha)
    world.advance(keep_ms - 2)
    alpha.beat()
    young = end(world, alpha)
    assert world.snapshot()[f"ended:{status}"].keys() == {old, young}
    world.advance(2)
    alpha.beat()
    newest = end(world, alpha)
    assert world.snapshot()[f"ended:{status}"].keys() == {young, newest}
    assert f"job:{old}" not in world.snapshot()


@keeping
def test_a_status_is_trimmed_by_its_own_number(world: World, alpha: Supervisor) -> None:
    kept = [succeed(world, alpha) for _ in range(3)]
    for _ in range(4):
        cancel(world, alpha)
    assert world.snapshot()["ended:succeeded"].keys() == set(kept)


@pytest.mark.parametrize("retention", [Retention(keep_jobs=9)], ids=["keep 9"])
def test_a_backlog_goes_in_steps_of_two(world: World, alpha: Supervisor) -> None:
    """So that a settle of 200 stays short also after the limit was lowered."""
    for _ in range(9):
        cancel(world, alpha)
    smaller = JobStore(world.store._client, world.keys, Retention(keep_jobs=2))
    for left in (8, 7, 6):
        smaller.cancel(world.enqueue())
        assert len(world.snapshot()["ended:cancelled"]) == left


def test_an_id_that_came_again_is_not_taken_for_the_old_job(world: World) -> None:
    """The job's own TTL takes the hash first; its entry in the index goes later."""
    store = JobStore(world.client, world.keys, Retention(keep_ms=60_000))
    again, other = NewJob(new_job_id(), "echo"), NewJob(new_job_id(), "echo")
    store.enqueue([again])
    store.cancel(again.id)
    world.client.delete(world.keys.job(again.id))
    world.client.zadd(world.keys.ended("cancelled"), {again.id: 1})
    store.enqueue([again, other])
    store.cancel(other.id)
    assert store.get(again.id).status == "pending"
    assert world.snapshot()["ended:cancelled"].keys() == {other.id}
