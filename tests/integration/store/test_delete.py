"""`delete`: an ended job goes with every entry in an index."""

import pytest

from jobworker.store.errors import JobNotFound, WrongState
from jobworker.store.ids import new_job_id
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.SUCCEEDED, "succeeded"), (Outcome.REJECTED, "failed"), (Outcome.CANCELLED, "cancelled")],
)
def test_an_ended_job_leaves_nothing_behind(world: World, alpha: Supervisor, outcome: Outcome, status: str) -> None:
    other = world.enqueue()
    world.enqueue(type="rare", priority=6)
    claim = alpha.claim_one()
    alpha.settle(claim, outcome)
    before = world.snapshot()
    world.store.delete(claim.id)
    changes = world.changes_since(before)
    gone = dict.fromkeys([f"job:{claim.id}", f"ended:{status}", "by_type:rare"])
    assert changes == {**gone, "types": {"echo"}, "created": {claim.id: None}}
    assert world.status(other) == "pending"


@pytest.mark.parametrize("delay_ms", [0, 500])
def test_a_job_that_expired_unseen_can_be_deleted(world: World, delay_ms: int) -> None:
    job_id = world.enqueue(delay_ms=delay_ms, expires_at_ms=START_MS + 1000)
    world.advance(1000)
    world.store.delete(job_id)
    assert world.snapshot().keys() == {"meta", "queues", "wake:default", "wake:*"}


@pytest.mark.parametrize("status", ["pending", "scheduled", "running"])
def test_a_job_that_has_not_ended_is_left_as_it_is(world: World, alpha: Supervisor, status: str) -> None:
    job_id = world.enqueue(delay_ms=1000 if status == "scheduled" else 0)
    if status == "running":
        alpha.claim_one()
    before = world.snapshot()
    with pytest.raises(WrongState, match=f"has not ended yet: it is {status}"):
        world.store.delete(job_id)
    assert world.snapshot() == before


def test_a_job_that_nobody_knows_cannot_be_deleted(world: World) -> None:
    before = world.snapshot()
    with pytest.raises(JobNotFound):
        world.store.delete(new_job_id())
    assert world.snapshot() == before
