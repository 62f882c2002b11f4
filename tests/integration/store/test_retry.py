"""`retry`: an ended job runs again as if it were new, and no earlier attempt can write to it."""

import pytest

from jobworker.store.errors import JobNotFound, WrongState
from jobworker.store.ids import new_job_id
from jobworker.store.job import AttemptDetail, ErrorInfo
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

FAILED = {"error": ErrorInfo("ValueError", "bad"), "reason": "bad", "detail": AttemptDetail(), "final": True}


def test_a_failed_job_is_pending_again_with_nothing_but_its_history(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 60_000)
    claim = alpha.claim_one()
    world.store.cancel(job_id)
    alpha.settle(claim, Outcome.CANCELLED, **FAILED)
    world.tokens()
    world.advance(100)
    before = world.snapshot()
    world.store.retry(job_id, "request")
    changes = world.changes_since(before)
    assert changes.pop(f"job:{job_id}") == {
        "status": "pending",
        "sequence": "2",
        "run_at_ms": str(START_MS + 100),
        "attempt": "0",
        "last_retry": "request",
        **dict.fromkeys(("cancel_requested_ms", "cancelled_by", "reason", "error", "ended_ms", "expires_ms")),
    }
    assert changes == {
        "meta": {"sequence": "2"},
        "ended:cancelled": None,
        "ready:default": {job_id: 5 * 2**44 + 2},
        "wake:default": ["1"],
        "wake:*": ["1"],
    }
    assert world.ttl_ms(world.keys.job(job_id)) == -1
    [attempt] = world.store.get(job_id).attempts
    assert attempt.outcome == "cancelled"


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED])
def test_it_has_its_whole_budgets_again(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    job_id = world.enqueue()
    for _ in range(2):
        for _ in range(3):
            alpha.settle(alpha.claim_one(), outcome, delay_ms=0)
        assert world.status(job_id) == "failed"
        world.store.retry(job_id)
    assert alpha.claim_one().attempt == 1


def test_a_result_goes(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=b"1")
    world.store.retry(job_id)
    job = world.store.get(job_id)
    assert (job.status, job.result, job.receipt, job.ended_ms) == ("pending", None, None, None)


def test_the_ten_minutes_of_an_unhandled_job_begin_anew(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.UNHANDLED, delay_ms=0)
    world.store.cancel(job_id)
    world.store.retry(job_id)
    world.advance(600_000)
    alpha.beat()
    assert alpha.settle(alpha.claim_one(), Outcome.UNHANDLED) == "scheduled"


def test_it_queues_up_behind_the_jobs_of_its_priority(world: World) -> None:
    again = world.enqueue()
    world.store.cancel(again)
    low, next_one = world.enqueue(priority=1), world.enqueue()
    world.store.retry(again)
    assert world.order_of() == [next_one, again, low]


def test_an_attempt_of_before_writes_nothing(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    old = alpha.claim_one()
    alpha.settle(old, Outcome.SUCCEEDED)
    world.store.retry(job_id)
    new = alpha.claim_one()
    assert new.token > old.token
    assert alpha.settle(old, Outcome.SUCCEEDED) == "stale"
    assert alpha.settle(new, Outcome.SUCCEEDED) == "succeeded"


def test_a_retry_of_a_job_that_was_delayed_runs_at_once(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(delay_ms=60_000)
    world.store.cancel(job_id)
    world.store.retry(job_id)
    assert alpha.claim_one().id == job_id


@pytest.mark.parametrize("delay_ms", [0, 500])
def test_a_job_that_expired_unseen_can_be_retried(world: World, alpha: Supervisor, delay_ms: int) -> None:
    job_id = world.enqueue(delay_ms=delay_ms, expires_at_ms=START_MS + 1000)
    world.advance(1000)
    world.store.retry(job_id)
    assert world.status(job_id) == "pending"
    assert "expiring" not in world.snapshot()
    assert alpha.claim_one().id == job_id


@pytest.mark.parametrize("status", ["pending", "scheduled", "running"])
def test_a_job_that_has_not_ended_is_left_as_it_is(world: World, alpha: Supervisor, status: str) -> None:
    job_id = world.enqueue(delay_ms=1000 if status == "scheduled" else 0)
    if status == "running":
        alpha.claim_one()
    before = world.snapshot()
    with pytest.raises(WrongState, match=f"has not ended yet: it is {status}") as refused:
        world.store.retry(job_id)
    assert (refused.value.job_id, refused.value.state) == (job_id, status)
    assert world.snapshot() == before


def test_a_job_that_nobody_knows_cannot_be_retried(world: World) -> None:
    before = world.snapshot()
    with pytest.raises(JobNotFound):
        world.store.retry(new_job_id())
    assert world.snapshot() == before


def test_a_repeat_of_a_retry_does_nothing_whatever_has_become_of_the_job(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    world.store.cancel(job_id)
    world.store.retry(job_id, "request")
    claim = alpha.claim_one()
    for become in (lambda: None, lambda: alpha.settle(claim, Outcome.SUCCEEDED)):
        become()
        before = world.snapshot()
        world.store.retry(job_id, "request")
        assert world.snapshot() == before
    world.store.retry(job_id, "another")
    assert world.status(job_id) == "pending"
