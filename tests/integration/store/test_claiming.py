"""Which job is next, and how many at once."""

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.claims import Wanted
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MIB
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World, settling


def claimed(world: World, alpha: Supervisor, count: int = 20, queues: tuple[str, ...] = ()) -> list[str]:
    return [claim.id for claim in alpha.claim(count, queues=queues)]


def test_the_highest_priority_comes_first(world: World, alpha: Supervisor) -> None:
    by_priority = {priority: world.enqueue(priority=priority) for priority in (3, 10, 1, 5, 9, 2, 4, 8, 6, 7)}
    assert claimed(world, alpha) == [by_priority[priority] for priority in range(10, 0, -1)]


def test_within_a_priority_the_first_comes_first(world: World, alpha: Supervisor) -> None:
    ids = [world.enqueue() for _ in range(12)]
    assert claimed(world, alpha) == ids


def test_jobs_of_one_call_come_in_its_order(world: World, alpha: Supervisor) -> None:
    jobs = [NewJob(new_job_id(), "echo") for _ in range(12)]
    world.store.enqueue(jobs)
    assert claimed(world, alpha) == [job.id for job in jobs]


def test_priority_is_strict_across_queues(world: World, alpha: Supervisor) -> None:
    low = world.enqueue(queue="a", priority=1)
    middle, later = (world.enqueue(queue=queue, priority=5) for queue in ("b", "a"))
    high = world.enqueue(queue="c", priority=9)
    assert claimed(world, alpha) == [high, middle, later, low]


def test_a_supervisor_claims_from_the_queues_it_serves_only(world: World, alpha: Supervisor) -> None:
    other = world.enqueue(queue="other", priority=10)
    ours = [world.enqueue(queue="b", priority=1), world.enqueue(queue="a")]
    assert claimed(world, alpha, queues=("a", "b", "never-used")) == [ours[1], ours[0]]
    assert world.order_of("other") == [other]


def test_a_preferred_queue_comes_before_higher_priorities_elsewhere(world: World, alpha: Supervisor) -> None:
    ids = {
        queue: [world.enqueue(queue=queue, priority=priority) for _ in range(2)]
        for queue, priority in (("urgent", 10), ("calm", 1))
    }
    wanted = [Wanted(7, "calm"), Wanted(8, "urgent"), Wanted(9, "calm")]
    claims = alpha.exchange(want=wanted, queues=("urgent", "calm")).claims
    assert [(claim.id, claim.worker) for claim in claims] == [
        (ids["calm"][0], 7),
        (ids["urgent"][0], 8),
        (ids["calm"][1], 9),
    ]


def test_a_preferred_queue_that_is_empty_leaves_its_turn_to_the_others(world: World, alpha: Supervisor) -> None:
    low, high = world.enqueue(queue="a", priority=2), world.enqueue(queue="b", priority=3)
    wanted = [Wanted(7, "empty"), Wanted(8, "not-served")]
    claims = alpha.exchange(want=wanted, queues=("a", "b", "empty")).claims
    assert [claim.id for claim in claims] == [high, low]


def test_a_claim_carries_what_the_job_was_enqueued_with(world: World, alpha: Supervisor) -> None:
    backoff = Backoff(base=2.5, factor=3.0, max=60.0, jitter=False)
    world.enqueue(
        type="resize",
        queue="images",
        payload=b"\x00\xff",
        timeout_ms=0,
        max_attempts=9,
        max_crashes=8,
        backoff=backoff,
        trace="00-a-b-01 c=d",
        tags=("customer=42", "nightly"),
    )
    claim = alpha.claim_one()
    assert (claim.type, claim.queue, claim.payload, claim.backoff) == ("resize", "images", b"\x00\xff", backoff)
    assert (claim.timeout_ms, claim.max_attempts, claim.max_crashes, claim.failures) == (0, 9, 8, 0)
    assert claim.trace == "00-a-b-01 c=d"
    assert claim.tags == ("customer=42", "nightly")
    world.enqueue()
    assert alpha.claim_one().trace == ""


def test_a_claim_knows_how_often_the_job_has_failed(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    for outcome in (Outcome.RAISED, Outcome.CRASHED, Outcome.TIMED_OUT):
        (claim,) = alpha.claim()
        alpha.settle(claim, outcome, max_attempts=9)
    claim = alpha.claim_one()
    assert (claim.failures, claim.attempt) == (2, 4)


@pytest.mark.parametrize(
    "outcome", [Outcome.CRASHED, Outcome.SHUTDOWN, Outcome.RECALLED, Outcome.RAISED, Outcome.UNHANDLED]
)
def test_a_job_that_comes_back_keeps_its_place(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    first = world.enqueue()
    claim = alpha.claim_one()
    others = [world.enqueue() for _ in range(2)]
    alpha.settle(claim, outcome, delay_ms=1000)
    world.advance(1000)
    assert claimed(world, alpha) == [first, *others]


def test_a_delayed_job_that_was_retried_keeps_the_place_it_got_when_it_was_due(world: World, alpha: Supervisor) -> None:
    delayed = world.enqueue(delay_ms=1000)
    world.advance(1000)
    claim = alpha.claim_one()
    later = world.enqueue()
    alpha.settle(claim, Outcome.RAISED, delay_ms=500)
    world.advance(500)
    assert claimed(world, alpha) == [delayed, later]


def test_a_delayed_job_queues_up_when_it_is_due(world: World, alpha: Supervisor) -> None:
    delayed = world.enqueue(delay_ms=1000)
    before = world.enqueue()
    world.advance(1000)
    alpha.exchange()
    after = world.enqueue()
    assert claimed(world, alpha) == [before, delayed, after]


def test_delayed_jobs_queue_up_in_the_order_in_which_they_are_due(world: World, alpha: Supervisor) -> None:
    second, third, first = (world.enqueue(delay_ms=delay_ms) for delay_ms in (2000, 3000, 1000))
    world.advance(3000)
    assert claimed(world, alpha) == [first, second, third]


def test_a_job_is_due_at_its_millisecond_and_not_before(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(run_at_ms=world.clock.now_ms + 2000)
    world.advance(1999)
    assert (claimed(world, alpha), world.status(job_id)) == ([], "scheduled")
    world.advance(1)
    assert claimed(world, alpha) == [job_id]


def test_at_most_200_jobs_become_due_in_one_call_and_the_next_is_due_at_once(world: World, alpha: Supervisor) -> None:
    for _ in range(2):
        world.store.enqueue([NewJob(new_job_id(), "echo", delay_ms=1000) for _ in range(110)])
    world.advance(1000)
    assert alpha.exchange().next_due_ms == 0
    assert len(world.order_of()) == 200
    assert alpha.exchange().next_due_ms is None
    assert len(world.order_of()) == 220


def test_a_call_claims_until_four_mebibytes_are_reached(world: World, alpha: Supervisor) -> None:
    ids = [world.enqueue(payload=b" " * MIB) for _ in range(6)]
    assert claimed(world, alpha) == ids[:4]
    assert claimed(world, alpha) == ids[4:]


def test_the_token_in_the_running_index_is_the_newest(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    (again,) = alpha.exchange(settling(claim, Outcome.CRASHED), want=1).claims
    assert world.snapshot()[f"running:{alpha.member}"] == {again.id: str(again.token)}
