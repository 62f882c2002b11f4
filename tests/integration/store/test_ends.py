"""Jobs that somebody waits for tell of their ends, and no others do."""

import pytest

from jobworker.store.errors import JobNotFound
from jobworker.store.ids import new_job_id
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World


@pytest.fixture
def alpha(world: World) -> Supervisor:
    return world.register("alpha")


def heard(world: World, position: str = "0-0") -> list[str]:
    return world.store.ends.after(position, block_ms=1)[1]


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.BAD_RESULT])
def test_a_job_that_is_waited_for_tells_of_its_end(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    job_id = world.enqueue()
    assert not world.store.ends.announce(job_id)
    claim = alpha.claim_one()
    assert heard(world) == []
    alpha.settle(claim, outcome)
    assert heard(world) == [job_id]


def test_nobody_waits_and_nothing_is_told(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    assert "ends" not in world.snapshot()
    assert world.store.ends.position() == "0-0"


def test_an_attempt_that_is_no_end_is_not_told(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    world.store.ends.announce(job_id)
    alpha.settle(alpha.claim_one(), Outcome.CRASHED)
    assert heard(world) == []
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    assert heard(world) == [job_id]


def test_a_cancel_and_an_expiry_are_ends(world: World, alpha: Supervisor) -> None:
    cancelled, expiring = world.enqueue(), world.enqueue(expires_at_ms=world.clock.now_ms + 1000)
    assert world.store.ends.settled_among([cancelled, expiring]) == []
    world.store.cancel(cancelled)
    world.advance(1001)
    alpha.exchange()
    assert sorted(heard(world)) == sorted([cancelled, expiring])


def test_what_readers_see_as_expired_has_ended_already(world: World) -> None:
    job_id = world.enqueue(expires_at_ms=world.clock.now_ms + 1000)
    world.advance(1001)
    assert world.store.ends.announce(job_id)


def test_a_position_lies_behind_what_was_told(world: World) -> None:
    first, second = world.enqueue(), world.enqueue()
    world.store.ends.settled_among([first, second])
    world.store.cancel(first)
    position = world.store.ends.position()
    assert heard(world, position) == []
    world.store.cancel(second)
    assert heard(world, position) == [second]


def test_many_are_looked_at_and_those_that_are_gone_count_as_settled(world: World) -> None:
    waiting = [world.enqueue() for _ in range(201)]
    gone, ended = new_job_id(), world.enqueue()
    world.store.cancel(ended)
    assert world.store.ends.settled_among([*waiting, gone, ended]) == [gone, ended]


def test_who_waits_for_no_job_is_told(world: World) -> None:
    with pytest.raises(JobNotFound):
        world.store.ends.announce(new_job_id())
