"""`cancel`: before a job has started, while it runs, after it has ended; a cancel that was accepted is kept."""

import pytest

from jobworker.store.claims import Attempted, Cancel
from jobworker.store.errors import JobNotFound, WrongState
from jobworker.store.ids import new_job_id
from jobworker.store.job import Note
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

ADA = Note("ada", "no longer wanted")
BY_ADA = '{"who":"ada","reason":"no longer wanted"}'


@pytest.mark.parametrize(("delay_ms", "index"), [(0, "ready:default"), (5000, "scheduled")])
def test_a_job_that_has_not_started_is_cancelled_at_once(world: World, delay_ms: int, index: str) -> None:
    job_id = world.enqueue(delay_ms=delay_ms, expires_at_ms=START_MS + 60_000)
    before = world.snapshot()
    assert world.store.cancel(job_id, ADA) == "cancelled"
    assert world.changes_since(before) == {
        index: None,
        "expiring": None,
        "ended:cancelled": {job_id: START_MS},
        f"job:{job_id}": {"status": "cancelled", "ended_ms": str(START_MS), "cancelled_by": BY_ADA},
    }


def test_a_running_job_is_flagged_and_its_supervisor_told(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.advance(20)
    before = world.snapshot()
    assert world.store.cancel(claim.id, ADA) == "cancelling"
    assert world.changes_since(before) == {
        f"job:{claim.id}": {"cancel_requested_ms": str(START_MS + 20), "cancelled_by": BY_ADA},
        f"cancels:{alpha.member}": {claim.id: f"{claim.token} {BY_ADA}"},
        "inbox:alpha": ["cancel"],
    }
    assert world.status(claim.id) == "running"


def test_a_second_cancel_keeps_the_time_of_the_first_and_who_it_was(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(claim.id, ADA)
    world.advance(500)
    assert world.store.cancel(claim.id) == "cancelling"
    record = world.store.get(claim.id)
    assert (record.cancel_requested_ms, record.cancelled_by) == (START_MS, ADA)


def test_a_job_that_is_cancelled_already_answers_so_and_stays_as_it_is(world: World) -> None:
    job_id = world.enqueue()
    world.store.cancel(job_id)
    before = world.snapshot()
    world.advance(500)
    assert world.store.cancel(job_id) == "cancelled"
    assert world.snapshot() == before


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.SUCCEEDED, "succeeded"), (Outcome.REJECTED, "failed")])
def test_a_job_that_has_ended_otherwise_cannot_be_cancelled(
    world: World, alpha: Supervisor, outcome: Outcome, status: str
) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, outcome)
    before = world.snapshot()
    with pytest.raises(WrongState) as refused:
        world.store.cancel(claim.id)
    assert (refused.value.job_id, refused.value.state) == (claim.id, status)
    assert world.snapshot() == before


def test_a_job_that_nobody_knows_cannot_be_cancelled(world: World) -> None:
    before = world.snapshot()
    with pytest.raises(JobNotFound):
        world.store.cancel(new_job_id())
    assert world.snapshot() == before


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("final", [False, True])
def test_a_flagged_attempt_ends_the_job_whatever_its_outcome(
    world: World, alpha: Supervisor, outcome: Outcome, final: bool
) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(claim.id)
    expected = "succeeded" if outcome is Outcome.SUCCEEDED else "cancelled"
    assert alpha.settle(claim, outcome, final=final) == expected
    assert world.status(claim.id) == expected
    assert f"cancels:{alpha.member}" not in world.snapshot()


def test_a_job_waiting_for_its_retry_is_cancelled_at_once(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.RAISED, delay_ms=5000)
    assert world.store.cancel(claim.id) == "cancelled"
    assert world.snapshot().get("scheduled") is None


def test_a_flag_is_kept_for_the_attempt_that_runs(world: World, alpha: Supervisor) -> None:
    """Its token is the one to kill, not one of an attempt before."""
    world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.CRASHED)
    claim = alpha.claim_one()
    world.store.cancel(claim.id)
    assert alpha.beat().cancels == [Cancel(Attempted(claim.id, claim.token))]


def test_hints_in_an_inbox_are_few_and_go_by_themselves(world: World, alpha: Supervisor) -> None:
    for _ in range(12):
        world.enqueue()
    for claim in alpha.claim(12):
        world.store.cancel(claim.id)
    assert world.snapshot()["inbox:alpha"] == ["cancel"] * 10
    assert 0 < world.ttl_ms(world.keys.inbox("alpha")) <= 60_000
    assert len(alpha.beat().cancels) == 12
