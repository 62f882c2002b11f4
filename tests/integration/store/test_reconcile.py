"""`reconcile`: after a new connection, agree on what an incarnation holds."""

import pytest

from jobworker.store.claims import Attempted
from jobworker.store.errors import StoreError
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import OldCall
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World, settling


def test_what_is_held_stays_and_what_is_not_listed_is_put_back_free(world: World, alpha: Supervisor) -> None:
    for _ in range(2):
        world.enqueue(max_attempts=1, max_crashes=1)
    held, forgotten = alpha.claim(2)
    before = world.snapshot()
    assert alpha.reconcile(held) == []
    assert world.changes_since(before) == {
        f"running:{alpha.member}": {forgotten.id: None},
        "ready:default": {forgotten.id: 5 * 2**44 + 2},
        f"job:{forgotten.id}": {"status": "pending", "attempt": "0"},
        "supervisor:alpha": {"last_call": "2", "last_answer": ""},
    }
    assert world.snapshot()[f"running:{alpha.member}"] == {held.id: str(held.token)}


def test_what_is_listed_and_not_ours_is_named_and_left_alone(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    for _ in range(4):
        world.enqueue()
    ours, theirs, ended, put_back = (
        *alpha.claim(1),
        *beta.claim(1),
        *alpha.claim(2),
    )
    alpha.settle(ended, Outcome.SUCCEEDED)
    alpha.settle(put_back, Outcome.SHUTDOWN)
    unknown = Attempted(new_job_id(), 1)
    stale = Attempted(ours.id, ours.token - 1)
    before = world.snapshot()
    foreign = alpha.reconcile(ours, theirs, ended, put_back, unknown)
    assert foreign == [Attempted(claim.id, claim.token) for claim in (theirs, ended, put_back, unknown)]
    assert world.changes_since(before).keys() == {"supervisor:alpha"}
    assert alpha.reconcile(ours, stale) == [stale]


def test_an_attempt_that_was_superseded_by_a_newer_one_is_foreign_and_the_newer_is_put_back(
    world: World, alpha: Supervisor
) -> None:
    world.enqueue()
    old = alpha.claim_one()
    alpha.exchange(settling(old, Outcome.CRASHED), want=1)
    assert alpha.reconcile(old) == [Attempted(old.id, old.token)]
    assert world.status(old.id) == "pending"


def test_a_lost_answers_claims_go_back_and_its_late_copy_does_nothing(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.exchange(want=1)
    alpha.reconcile()
    assert world.order_of() == [job_id]
    before = world.snapshot()
    with pytest.raises(OldCall):
        alpha.exchange(want=1, call=1)
    assert world.snapshot() == before


def test_a_late_copy_that_was_never_applied_does_nothing(world: World, alpha: Supervisor) -> None:
    """The request of call 2 is still under way when reconcile, call 3, has taken its place."""
    world.enqueue()
    claim = alpha.claim_one()
    alpha.reconcile(claim, call=3)
    world.enqueue()
    before = world.snapshot()
    with pytest.raises(OldCall):
        alpha.exchange(settling(claim, Outcome.RAISED), want=1, call=2)
    assert world.snapshot() == before


def test_the_open_calls_answer_is_forgotten(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.reconcile(claim)
    answer = alpha.exchange(want=1, call=2)
    assert (answer.words, answer.claims) == ([], [])


def test_a_reconcile_without_an_answer_may_be_sent_again(world: World, alpha: Supervisor) -> None:
    for _ in range(2):
        world.enqueue()
    held, _ = alpha.claim(2)
    foreign = Attempted(new_job_id(), 9)
    assert alpha.reconcile(held, foreign, call=2) == [foreign]
    before = world.snapshot()
    assert alpha.reconcile(held, foreign, call=2) == [foreign]
    assert world.snapshot() == before


def test_a_late_copy_of_an_answered_reconcile_takes_back_nothing(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    alpha.reconcile(call=1)
    claim = alpha.claim_one(call=2)
    before = world.snapshot()
    with pytest.raises(OldCall):
        alpha.reconcile(call=1)
    assert world.snapshot() == before
    assert world.status(claim.id) == "running"


def test_an_answer_of_another_call_is_refused(world: World, alpha: Supervisor) -> None:
    """As when a connection was not closed after a timeout, and the next call reads the answer before its own."""

    class Confused:
        async def evalsha(self, *arguments: object) -> object:
            return [b"ok", 7, []]

    alpha.incarnation._caller = Confused()  # type: ignore[assignment]
    with pytest.raises(StoreError, match="reconcile 8 with the answer of 7"):
        alpha.reconcile(call=8)


@pytest.mark.parametrize("listed", [True, False])
def test_a_flagged_job_is_cancelled_if_it_is_not_held_any_more(world: World, alpha: Supervisor, listed: bool) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(claim.id)
    alpha.reconcile(*([claim] if listed else []))
    assert world.status(claim.id) == ("running" if listed else "cancelled")
    assert len(alpha.beat().cancels) == int(listed)


def test_a_held_job_that_is_missing_in_the_index_is_indexed_again(world: World, alpha: Supervisor) -> None:
    """Else nobody could reap it."""
    world.enqueue()
    claim = alpha.claim_one()
    world.client.hdel(world.keys.running("alpha", alpha.epoch), claim.id)
    assert alpha.reconcile(claim) == []
    assert world.snapshot()[f"running:{alpha.member}"] == {claim.id: str(claim.token)}
