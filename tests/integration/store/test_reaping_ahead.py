"""Reaping what was claimed beyond the idle workers: hardly any of it has begun, so it is free, once."""

from jobworker.store.claims import Claim, Wanted
from jobworker.store.states import Outcome
from tests.support.world import BEAT_MS, LEASE_MS, Supervisor, World


def claim_beyond(dead: Supervisor, beyond: int) -> list[Claim]:
    """Claim one job for an idle worker, and so many more for the same."""
    return dead.exchange(want=[Wanted(7)] * (1 + beyond)).claims


def die_with(world: World, dead: Supervisor, heir: Supervisor) -> None:
    world.live(LEASE_MS - BEAT_MS, heir)
    world.advance(BEAT_MS)
    heir.beat()


def test_what_was_claimed_beyond_the_idle_workers_is_reaped_free(world: World) -> None:
    dead, heir = world.register("dead"), world.register("heir")
    world.live(2 * LEASE_MS, dead, heir)
    ids = [world.enqueue() for _ in range(3)]
    claims = claim_beyond(dead, 2)
    assert [claim.id for claim in claims] == ids
    die_with(world, dead, heir)
    records = [world.store.get(job_id) for job_id in ids]
    assert [(one.status, one.crashes, one.attempt, len(one.attempts)) for one in records] == [
        ("pending", 1, 1, 1),
        ("pending", 0, 0, 0),
        ("pending", 0, 0, 0),
    ]
    # It keeps its place in line, and its token counts no more.
    assert world.order_of() == ids
    assert heir.settle(claims[1], Outcome.SUCCEEDED) == "stale"


def test_only_the_first_reaping_is_free(world: World) -> None:
    dead, heir = world.register("dead"), world.register("heir")
    world.live(2 * LEASE_MS, dead, heir)
    _, job_id = world.enqueue(priority=9), world.enqueue()
    crashes = []
    for _ in range(2):
        assert claim_beyond(dead, 1)[1].id == job_id
        die_with(world, dead, heir)
        crashes.append(world.store.get(job_id).crashes)
        dead = world.register("dead")
    assert crashes == [0, 1]


def test_once_it_is_claimed_for_an_idle_worker_its_loss_is_a_loss(world: World) -> None:
    dead, heir = world.register("dead"), world.register("heir")
    world.live(2 * LEASE_MS, dead, heir)
    first, job_id = world.enqueue(priority=9), world.enqueue()
    kept, beyond = claim_beyond(dead, 1)
    dead.settle(beyond, Outcome.RECALLED)
    assert dead.claim_one().id == job_id
    die_with(world, dead, heir)
    assert [world.store.get(one).crashes for one in (first, job_id)] == [1, 1]
    assert kept.id == first


def test_a_retry_forgets_that_it_was_forgiven(world: World) -> None:
    dead, heir = world.register("dead"), world.register("heir")
    world.live(2 * LEASE_MS, dead, heir)
    _, job_id = world.enqueue(priority=9), world.enqueue()
    claim_beyond(dead, 1)
    die_with(world, dead, heir)
    assert world.snapshot()[f"job:{job_id}"]["ahead"] == "0"
    world.store.cancel(job_id)
    world.store.retry(job_id)
    assert "ahead" not in world.snapshot()[f"job:{job_id}"]
