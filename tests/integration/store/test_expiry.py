"""`expires_at`: not started by then, a job is expired, wherever it waits."""

import pytest

from jobworker.store.errors import InvalidJob, WrongState
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

EXPIRES_MS = START_MS + 1000


def test_a_job_not_started_in_time_is_not_started_at_all(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    assert world.snapshot()["expiring"] == {job_id: EXPIRES_MS}
    world.advance(1000)
    before = world.snapshot()
    assert alpha.claim() == []
    assert world.changes_since(before) == {
        "ready:default": None,
        "expiring": None,
        "ended:expired": {job_id: EXPIRES_MS},
        "supervisor:alpha": {"last_call": "1", "last_answer": "|"},
        f"job:{job_id}": {"status": "expired", "ended_ms": str(EXPIRES_MS)},
    }


def test_a_job_started_in_time_runs_as_long_as_it_likes(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    world.advance(999)
    claim = alpha.claim_one()
    assert "expiring" not in world.snapshot()
    world.advance(5000)
    alpha.exchange()
    assert world.status(job_id) == "running"
    assert alpha.settle(claim, Outcome.SUCCEEDED) == "succeeded"


@pytest.mark.parametrize("queue", [None, "default"])
def test_a_job_in_a_paused_queue_expires_too(world: World, alpha: Supervisor, queue: str | None) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    world.store.pause(queue, who="test")
    world.advance(1000)
    alpha.exchange(want=1)
    assert "ready:default" not in world.snapshot()
    assert world.snapshot()[f"job:{job_id}"]["status"] == "expired"


def test_a_job_in_a_queue_that_nobody_serves_expires_too(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(queue="lonely", expires_at_ms=EXPIRES_MS)
    world.advance(1000)
    alpha.exchange(want=1, queues=["other"])
    assert world.snapshot()[f"job:{job_id}"]["status"] == "expired"


def test_a_scheduled_job_expires_if_nobody_came_when_it_was_due(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(delay_ms=500, expires_at_ms=EXPIRES_MS)
    world.advance(1000)
    assert alpha.claim() == []
    assert world.snapshot()["ended:expired"] == {job_id: EXPIRES_MS}
    assert "scheduled" not in world.snapshot()


@pytest.mark.parametrize("delay_ms", [0, 500])
def test_a_job_reads_as_expired_from_its_time_on_swept_or_not(world: World, delay_ms: int) -> None:
    job_id = world.enqueue(delay_ms=delay_ms, expires_at_ms=EXPIRES_MS)
    world.advance(999)
    assert world.status(job_id) in {"pending", "scheduled"}
    world.advance(1)
    before = world.snapshot()
    job = world.store.get(job_id)
    assert (job.status, job.ended_ms) == (JobState.EXPIRED, EXPIRES_MS)
    assert world.snapshot() == before


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED])
def test_after_a_spent_attempt_a_job_no_longer_expires(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    alpha.settle(alpha.claim_one(), outcome, delay_ms=100)
    world.advance(2000)
    assert world.status(job_id) in {"pending", "scheduled"}
    assert alpha.claim_one().id == job_id


@pytest.mark.parametrize("outcome", [Outcome.RECALLED, Outcome.SHUTDOWN, Outcome.FENCED, Outcome.UNHANDLED])
def test_after_an_attempt_that_spent_nothing_a_job_still_expires(
    world: World, alpha: Supervisor, outcome: Outcome
) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    alpha.settle(alpha.claim_one(), outcome, delay_ms=100)
    assert world.snapshot()["expiring"] == {job_id: EXPIRES_MS}
    world.advance(1000)
    assert world.status(job_id) == "expired"
    assert alpha.claim() == []
    assert world.snapshot()["ended:expired"] == {job_id: EXPIRES_MS}


def test_a_job_that_has_expired_cannot_be_cancelled(world: World) -> None:
    job_id = world.enqueue(expires_at_ms=EXPIRES_MS)
    world.advance(1000)
    with pytest.raises(WrongState) as refused:
        world.store.cancel(job_id)
    assert refused.value.state == "expired"
    assert world.snapshot()["ended:expired"] == {job_id: EXPIRES_MS}


@pytest.mark.parametrize("delay_ms", [0, 1000])
def test_a_job_that_would_expire_before_it_is_due_is_refused(world: World, delay_ms: int) -> None:
    before = world.snapshot()
    with pytest.raises(InvalidJob) as refused:
        world.enqueue(delay_ms=delay_ms, expires_at_ms=START_MS + delay_ms)
    assert refused.value.field == "expires_at"
    assert world.snapshot() == before


def test_jobs_expire_in_bounded_steps(world: World, alpha: Supervisor) -> None:
    """One call sweeps a hundred and skips a hundred more to find something to run; the others wait for the next."""
    for _ in range(2):
        world.store.enqueue([NewJob(new_job_id(), "echo", expires_at_ms=EXPIRES_MS) for _ in range(150)])
    last = world.enqueue(priority=1)
    world.advance(1000)
    world.tokens()
    assert alpha.claim() == []
    assert len(world.order_of()) == 301 - 201
    assert world.tokens() == {"default": 1, "*": 1}
    assert alpha.claim_one().id == last
    assert len(world.snapshot()["ended:expired"]) == 300
