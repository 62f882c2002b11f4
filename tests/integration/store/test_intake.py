"""`enqueue` of jobs that stand for themselves: what is wrong with one keeps no other out."""

from typing import Any

import pytest

from jobworker.store.errors import InvalidJob, KeyReused
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.ids import new_job_id
from jobworker.store.intake import Answer
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_BATCH_JOBS, MAX_QUEUES, MAX_TYPES
from tests.support.watched_redis import START_MS
from tests.support.world import World

KEY = IdempotencyKey.of("order 4711", b"{}", 60_000)
OTHER_BODY = IdempotencyKey.of("order 4711", b"{ }", 60_000)


def new(**options: Any) -> NewJob:
    return NewJob(**{"id": new_job_id(), "type": "echo", **options})


def take(world: World, *jobs: NewJob) -> list[Answer]:
    return world.store.intake.take(jobs, all_or_none=False)


def word(answer: Answer) -> str:
    """Return a word for what became of a job."""
    if isinstance(answer, Acceptance):
        return answer.status.value
    return answer.field if isinstance(answer, InvalidJob) else type(answer).__name__


def test_those_that_cannot_be_taken_are_refused_in_their_places_and_the_others_stored(world: World) -> None:
    jobs = [
        *(new(), new(expires_at_ms=START_MS), new(delay_ms=1000), new(key=KEY), new(key=KEY), new(priority=9)),
    ]
    answers = take(world, *jobs)
    assert [word(each) for each in answers] == [
        *("pending", "expires_at", "scheduled", "pending", "pending", "pending")
    ]
    assert answers[4] == answers[3]
    assert world.order_of() == [jobs[5].id, jobs[0].id, jobs[3].id]


def test_when_all_are_refused_nothing_changes(world: World) -> None:
    before = world.snapshot()
    assert [word(each) for each in take(world, *[new(expires_at_ms=START_MS, key=KEY)] * 2)] == ["expires_at"] * 2
    assert world.snapshot() == before


def with_types(world: World, count: int) -> None:
    """Leave room for a few."""
    jobs = [new(type=f"type-{number}", queue="queue-0") for number in range(count)]
    for start in range(0, count, MAX_BATCH_JOBS):
        world.store.enqueue(jobs[start : start + MAX_BATCH_JOBS])


def test_the_last_places_for_queues_and_types_go_to_the_first_that_can_be_stored(world: World) -> None:
    with_types(world, MAX_TYPES - 1)
    world.client.sadd(world.keys.queues, *(f"queue-{number}" for number in range(MAX_QUEUES - 1)))
    answers = take(
        world, new(), new(type="mail", queue="a"), new(queue="b"), new(queue="queue-3", type="mail"), new(queue="b")
    )
    assert [word(each) for each in answers] == ["pending", "queue", "queue", "type", "queue"]
    assert world.order_of("queue-3") == []


def test_a_queue_is_not_entered_for_a_job_whose_type_is_one_too_many(world: World) -> None:
    with_types(world, MAX_TYPES)
    assert [word(each) for each in take(world, new(queue="slow"))] == ["type"]
    assert world.snapshot()["queues"] == {"queue-0"}


def test_all_or_none_tells_of_each_that_is_at_fault_and_stores_none(world: World) -> None:
    take(world, new(key=KEY))
    before = world.snapshot()
    jobs = [new(), new(expires_at_ms=START_MS), new(key=KEY)]
    answers = world.store.intake.take(jobs, all_or_none=True)
    assert [None if each is None else word(each) for each in answers] == [None, "expires_at", None]
    assert world.snapshot() == before


def test_the_same_jobs_again_are_answered_as_the_first_time(world: World) -> None:
    jobs = [new(), new(expires_at_ms=START_MS + 500), new(key=KEY)]
    first = take(world, *jobs)
    before = world.snapshot()
    world.advance(1000)
    assert take(world, *jobs) == first
    assert world.snapshot() == before


def test_errors_are_those_of_a_single_job(world: World) -> None:
    [answer] = take(world, new(expires_at_ms=START_MS))
    assert isinstance(answer, InvalidJob)


@pytest.mark.parametrize("all_or_none", [False, True])
def test_another_body_under_a_key_keeps_out_all(world: World, all_or_none: bool) -> None:
    take(world, new(key=KEY))
    before = world.snapshot()
    with pytest.raises(KeyReused):
        world.store.intake.take([new(), new(key=OTHER_BODY)], all_or_none=all_or_none)
    assert world.snapshot() == before
