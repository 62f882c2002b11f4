"""`leave`: the end of an incarnation in good order."""

import pytest

from jobworker.store.errors import Reaped
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def test_what_is_still_held_goes_back_free_and_the_epoch_is_over(world: World, alpha: Supervisor) -> None:
    ids = [world.enqueue(max_attempts=1, max_crashes=1) for _ in range(2)]
    alpha.claim(2)
    before = world.snapshot()
    assert alpha.leave() == 2
    assert world.changes_since(before) == {
        f"running:{alpha.member}": None,
        "supervisors": None,
        "supervisor:alpha": {"lease_end": "0"},
        "ready:default": {job_id: 5 * 2**44 + place for place, job_id in enumerate(ids, 1)},
        **{f"job:{job_id}": {"status": "pending", "attempt": "0"} for job_id in ids},
    }


def test_a_second_leave_finds_the_epoch_over(world: World, alpha: Supervisor) -> None:
    alpha.leave()
    before = world.snapshot()
    with pytest.raises(Reaped):
        alpha.leave()
    assert world.snapshot() == before


def test_a_flagged_job_is_cancelled_by_leaving(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(claim.id)
    alpha.leave()
    assert world.status(claim.id) == "cancelled"
    assert f"cancels:{alpha.member}" not in world.snapshot()


def test_leaving_takes_nothing_from_others(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    world.enqueue()
    claim = beta.claim_one()
    assert alpha.leave() == 0
    assert world.snapshot()["supervisors"].keys() == {beta.member}
    assert world.snapshot()[f"running:{beta.member}"] == {claim.id: str(START_MS * 1000)}


def test_a_name_that_was_left_is_free_at_once(world: World, alpha: Supervisor) -> None:
    alpha.leave()
    assert world.register("alpha").beat().running == 0
