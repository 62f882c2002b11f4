"""Tokens, and who may settle what: whoever lost the claim writes nothing."""

import pytest

from jobworker.store.claims import Attempted
from jobworker.store.ids import new_job_id
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World, settling


def test_a_token_is_the_clock_in_microseconds(world: World, alpha: Supervisor) -> None:
    """So that no token comes twice after Redis has lost writes."""
    world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.CRASHED)
    world.advance(1)
    assert alpha.claim_one().token == (START_MS + 1) * 1000


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.RAISED, Outcome.RECALLED, Outcome.UNHANDLED])
def test_a_token_grows_with_each_claim_even_when_the_clock_does_not(
    world: World, alpha: Supervisor, outcome: Outcome
) -> None:
    world.enqueue()
    first = alpha.claim_one()
    alpha.settle(first, outcome)
    world.advance(-60_000)
    alpha.beat()
    world.client.zadd(world.keys.scheduled, {first.id: 0}, xx=True)
    world.client.hset(world.keys.job(first.id), "run_at_ms", 0)
    assert alpha.claim_one().token == first.token + 1


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.CRASHED, Outcome.RAISED, Outcome.SHUTDOWN])
def test_an_attempt_is_settled_once(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, outcome, delay_ms=1000)
    before = world.snapshot()
    assert alpha.settle(claim, outcome, delay_ms=1000) == "stale"
    assert world.changes_since(before) == {"supervisor:alpha": {"last_call": "3", "last_answer": "stale|"}}


def test_a_result_of_an_earlier_attempt_changes_nothing(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    first = alpha.claim_one()
    alpha.settle(first, Outcome.CRASHED)
    second = alpha.claim_one()
    before = world.snapshot()
    assert alpha.settle(first, Outcome.SUCCEEDED, result=b"1") == "stale"
    assert world.changes_since(before).keys() == {"supervisor:alpha"}
    assert alpha.settle(second, Outcome.SUCCEEDED) == "succeeded"


def test_another_supervisor_cannot_settle_with_the_right_token(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    world.enqueue()
    claim = alpha.claim_one()
    before = world.snapshot()
    assert beta.settle(claim, Outcome.SUCCEEDED, result=b"1") == "stale"
    assert world.changes_since(before).keys() == {"supervisor:beta"}


def test_a_later_incarnation_cannot_settle_with_the_right_token(world: World) -> None:
    old = world.register("alpha", lock_id="lock-1")
    world.enqueue()
    claim = old.claim_one()
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    before = world.snapshot()
    assert new.settle(claim, Outcome.SUCCEEDED, result=b"1") == "stale"
    assert world.changes_since(before).keys() == {"supervisor:alpha"}


def test_a_job_that_waits_cannot_be_settled(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.SHUTDOWN)
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "stale"
    assert world.status(claim.id) == "pending"


def test_a_job_that_is_gone_stays_gone(world: World, alpha: Supervisor) -> None:
    before = world.snapshot()
    assert alpha.settle(Attempted(new_job_id(), 1), Outcome.SUCCEEDED, result=b"1") == "missing"
    assert world.changes_since(before) == {"supervisor:alpha": {"last_call": "1", "last_answer": "missing|"}}


def test_the_same_attempt_twice_in_one_call_counts_once(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    crash = settling(claim, Outcome.CRASHED)
    assert alpha.exchange(crash, crash).words == ["pending", "stale"]
    assert world.store.get(claim.id).crashes == 1


def test_a_crashed_job_is_claimed_again_by_the_call_that_settles_it(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    answer = alpha.exchange(settling(claim, Outcome.CRASHED), want=1)
    assert [(again.id, again.token, again.attempt) for again in answer.claims] == [(claim.id, claim.token + 1, 2)]
