"""`sweep`: what has been kept long enough goes, with all its index entries, also when nothing ends."""

import pytest

from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Terms
from jobworker.store.job import NewJob
from jobworker.store.retention import Retention
from jobworker.store.scripts import script
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

KEEP_MS, KEEP_FAILED_MS = 60_000, 300_000
keeping = pytest.mark.parametrize("retention", [Retention(KEEP_MS, KEEP_FAILED_MS)], ids=["keep a minute"])


def expire_many(world: World, alpha: Supervisor, count: int, type_name: str = "echo") -> list[str]:
    """End so many jobs, by expiry."""
    at_ms = world.clock.now_ms + 1
    jobs = [NewJob(new_job_id(), type_name, expires_at_ms=at_ms) for _ in range(count)]
    for start in range(0, count, 200):
        world.store.enqueue(jobs[start : start + 200])
    world.advance(1)
    for _ in range(0, count, 100):
        alpha.exchange()
    assert len(world.snapshot()["ended:expired"]) == count
    return [job.id for job in jobs]


def lose_records(world: World, job_ids: list[str]) -> None:
    """Do what their own TTL does when nobody sweeps."""
    world.client.delete(*map(world.keys.job, job_ids))


@keeping
def test_what_is_over_age_goes_with_its_index_entries(world: World, alpha: Supervisor) -> None:
    world.store.cancel(world.enqueue(type="cancelled"))
    world.enqueue(type="failed")
    alpha.settle(alpha.claim_one(), Outcome.RAISED, final=True)
    waiting = world.enqueue(type="waits")
    before = world.snapshot()
    world.advance(KEEP_MS - 1)
    assert alpha.sweep() == 0
    assert world.snapshot() == before
    world.advance(1)
    assert alpha.sweep() == 0
    assert world.snapshot()["types"] == {"failed", "waits"}
    assert "ended:cancelled" not in world.snapshot()
    world.advance(KEEP_FAILED_MS - KEEP_MS)
    assert alpha.sweep() == 0
    assert {key for key in world.snapshot() if key.startswith("job:")} == {f"job:{waiting}"}


def test_the_oldest_go_when_the_number_kept_was_lowered(world: World) -> None:
    ids = [world.enqueue() for _ in range(3)]
    for job_id in ids:
        world.store.cancel(job_id)
        world.advance(1)
    beta = world.register("beta", terms=Terms(retention=Retention(keep_jobs=1)))
    assert beta.sweep() == 0
    assert world.snapshot()["ended:cancelled"].keys() == {ids[-1]}


@keeping
def test_one_call_deletes_two_hundred_and_tells_what_is_left(world: World, alpha: Supervisor) -> None:
    expire_many(world, alpha, 250)
    world.store.cancel(world.enqueue())
    world.advance(KEEP_MS)
    assert alpha.sweep() == 51
    assert alpha.sweep() == 0
    assert not {key for key in world.snapshot() if key.startswith(("job:", "ended:", "by_type:", "types"))}


@keeping
def test_entries_whose_record_is_gone_go_too(world: World, alpha: Supervisor) -> None:
    kept = world.enqueue(type="other")
    lose_records(world, expire_many(world, alpha, 3, "gone"))
    world.advance(KEEP_MS)
    assert alpha.sweep() == 0
    data = world.snapshot()
    assert (data["types"], data["by_type:other"].keys()) == ({"other"}, {kept})
    assert not {"by_type:gone", "ended:expired"} & data.keys()


def test_looking_for_the_types_of_what_is_gone_is_bounded(world: World, alpha: Supervisor) -> None:
    for start in range(0, 1000, 200):
        world.store.enqueue([NewJob(new_job_id(), f"type-{start + place}") for place in range(200)])
    lose_records(world, expire_many(world, alpha, 5, "type-7"))
    # Not watched: what is left of the five would not pass the audit.
    left = script("sweep").run(world.client, [world.keys.meta], [world.keys.base, KEEP_MS, KEEP_MS, 0, 200])
    assert left == 3, "two were looked for under a thousand types each"
    assert len(world.snapshot()["by_type:type-7"]) == 1 + 3


def test_a_job_that_expired_unseen_is_kept_from_its_expiry_on(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 10)
    world.advance(5000)
    alpha.exchange()
    assert world.snapshot()["ended:expired"] == {job_id: START_MS + 10}
    job = world.store.get(job_id)
    assert (job.status, job.ended_ms) == (JobState.EXPIRED, START_MS + 10)
