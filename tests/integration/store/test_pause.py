"""`pause` and `resume`: of everything, of one queue, each for itself."""

import pytest

from jobworker.store.claims import Wanted
from jobworker.store.pause import Pause
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def test_nothing_is_claimed_while_everything_is_paused(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    before = world.snapshot()
    world.store.pause(who="ops")
    assert world.changes_since(before) == {"paused": {"*": f'{START_MS} {{"who":"ops","reason":null}}'}}
    assert alpha.claim() == []
    world.store.resume()
    assert "paused" not in world.snapshot()
    assert alpha.claim_one().id == job_id


def test_a_paused_queue_is_passed_over(world: World, alpha: Supervisor) -> None:
    held, free = world.enqueue(queue="a", priority=10), world.enqueue(queue="b")
    world.store.pause("a", who="ops")
    assert [claim.id for claim in alpha.claim(2)] == [free]
    world.store.resume("a")
    assert [claim.id for claim in alpha.claim(2)] == [held]


def test_a_paused_queue_is_passed_over_when_it_is_preferred(world: World, alpha: Supervisor) -> None:
    world.enqueue(queue="a")
    free = world.enqueue(queue="b")
    world.store.pause("a", who="ops")
    assert [claim.id for claim in alpha.exchange(want=[Wanted(1, "a")], queues=["a", "b"]).claims] == [free]


@pytest.mark.parametrize(("first", "then"), [(None, "default"), ("default", None)])
def test_the_pause_of_everything_and_that_of_a_queue_are_independent(
    world: World, alpha: Supervisor, first: str | None, then: str | None
) -> None:
    world.enqueue()
    world.store.pause(who="ops")
    world.store.pause("default", who="ops")
    world.store.resume(first)
    assert alpha.claim() == []
    world.store.resume(then)
    assert len(alpha.claim()) == 1


def test_what_runs_runs_on_and_is_settled(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.store.pause(who="ops")
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "succeeded"


def test_jobs_become_due_in_a_paused_queue_and_wait(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(delay_ms=1000)
    world.store.pause("default", who="ops")
    world.advance(1000)
    assert alpha.claim() == []
    assert world.order_of() == [job_id]


def test_jobs_are_accepted_while_paused(world: World) -> None:
    world.store.pause(who="ops")
    assert world.status(world.enqueue()) == "pending"


def test_who_paused_first_stays(world: World) -> None:
    world.store.pause("mail", who="first", reason="bounces")
    world.advance(1000)
    before = world.snapshot()
    world.store.pause("mail", who="second")
    assert world.snapshot() == before
    assert world.store.pauses() == [Pause("mail", "first", START_MS, "bounces")]


def test_every_pause_is_listed(world: World) -> None:
    world.store.pause(who="a")
    world.store.pause("mail", who="b", reason="é & spaces")
    assert sorted(world.store.pauses(), key=lambda pause: pause.queue) == [
        Pause("*", "a", START_MS),
        Pause("mail", "b", START_MS, "é & spaces"),
    ]


def test_resuming_what_is_not_paused_changes_no_pause(world: World) -> None:
    world.store.pause("mail", who="a")
    world.store.resume()
    world.store.resume("other")
    assert [pause.queue for pause in world.store.pauses()] == ["mail"]
