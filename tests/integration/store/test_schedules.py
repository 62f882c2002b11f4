"""Firing schedules: an occurrence is one job, whoever fires it and however often."""

from typing import Any

import pytest

from jobworker.store.errors import InvalidSchedule
from jobworker.store.job import NewJob, Note
from jobworker.store.schedules import Dues, DueSchedule, Fired, Firing, NewSchedule, Overlap
from jobworker.store.states import JobState
from jobworker.store.timing import Timing
from tests.support.world import World

EVERY_MS = 5000


def put(world: World, overlap: Overlap = "allow", **options: Any) -> None:
    template = NewJob("", "echo", queue="", priority=0)
    said = {"name": "often", "timing": Timing(every_ms=EVERY_MS), "template": template, "definition": b"{}", **options}
    world.store.schedules.put(NewSchedule(**said, overlap=overlap, misfire="once", grace_ms=60_000))


def due(world: World) -> DueSchedule:
    world.advance(EVERY_MS)
    dues: Dues = world.run(world.dial.due())
    [schedule] = dues.schedules
    return schedule


def fire(world: World, schedule: DueSchedule, **options: Any) -> Fired | None:
    said = {"missed": 0, "template": NewJob("", "echo", schedule="often"), **options}
    fired: Fired | None = world.run(
        world.dial.fire(Firing(schedule, [schedule.due_ms], next_due_ms=schedule.due_ms + EVERY_MS, **said))
    )
    return fired


def test_of_two_that_fire_the_same_occurrence_one_does(world: World) -> None:
    put(world)
    schedule = due(world)
    assert fire(world, schedule) == Fired("", is_news=False)
    before = world.snapshot()
    assert fire(world, schedule) is None
    assert world.snapshot() == before
    shown = world.store.schedules.get("often")
    assert (shown.last_fired_ms, shown.next_due_ms) == (schedule.due_ms, schedule.due_ms + EVERY_MS)
    assert shown.last_job == schedule.job_at(schedule.due_ms).id
    assert world.order_of() == [shown.last_job]


def test_a_fire_that_a_failover_has_lost_stores_the_same_job_again(world: World) -> None:
    put(world)
    schedule = due(world)
    record = world.keys.schedule("often")
    before: Any = world.client.hgetall(record)
    fire(world, schedule)
    world.client.delete(record)
    world.client.hset(record, mapping=before)
    assert fire(world, schedule) is not None
    assert world.order_of() == [schedule.job_at(schedule.due_ms).id]


def test_a_schedule_that_was_replaced_meanwhile_is_not_fired(world: World) -> None:
    put(world)
    schedule = due(world)
    put(world, definition=b'{"overlap":"skip"}')
    assert fire(world, schedule) is None
    assert world.order_of() == []


@pytest.mark.parametrize(
    ("overlap", "first", "second"),
    [
        ("allow", JobState.PENDING, JobState.PENDING),
        ("skip", JobState.PENDING, None),
        ("cancel", JobState.CANCELLED, JobState.PENDING),
    ],
)
def test_while_the_job_before_waits_the_next_one_comes_or_not(
    world: World, overlap: Overlap, first: JobState, second: JobState | None
) -> None:
    put(world, overlap)
    fire(world, due(world))
    one = world.store.schedules.get("often").last_job
    fire(world, due(world))
    shown = world.store.schedules.get("often")
    assert one is not None
    assert shown.last_job is not None
    assert world.store.get(one).status is first
    assert [occurrence.outcome for occurrence in shown.occurrences] == ["fired" if second else "skipped", "fired"]
    assert second is None or world.store.get(shown.last_job).status is second


def test_a_job_that_runs_is_flagged_for_the_kill_by_its_successor(world: World) -> None:
    alpha = world.register("alpha")
    put(world, "cancel")
    fire(world, due(world))
    claim = alpha.claim_one()
    fire(world, due(world))
    [cancel] = alpha.beat().cancels
    assert (cancel.attempted.id, cancel.note.who) == (claim.id, "schedule often")


def test_what_is_wrong_is_news_once(world: World) -> None:
    put(world)
    assert fire(world, due(world), wrong="why") == Fired("why", is_news=True)
    assert fire(world, due(world), wrong="why") == Fired("why", is_news=False)
    assert world.store.schedules.get("often").last_error == "why"
    fire(world, due(world))
    assert world.store.schedules.get("often").last_error is None


def test_a_job_that_is_refused_is_no_job_and_the_schedule_goes_on(world: World) -> None:
    put(world)
    world.client.sadd(world.keys.queues, *(f"queue-{number}" for number in range(1000)))
    schedule = due(world)
    fired = fire(world, schedule)
    assert fired == Fired("too_many_queues: default is one too many", is_news=True)
    shown = world.store.schedules.get("often")
    assert [occurrence.outcome for occurrence in shown.occurrences] == ["refused"]
    assert (shown.last_job, shown.next_due_ms) == (None, schedule.due_ms + EVERY_MS)


def test_a_beat_tells_when_something_is_due_and_a_put_hints_that_it_has_changed(world: World) -> None:
    alpha = world.register("alpha")
    assert alpha.beat().fire_in_ms is None
    put(world)
    assert world.client.lrange(world.keys.inbox("alpha"), 0, -1) == [b"schedule"]
    assert alpha.beat().fire_in_ms == EVERY_MS
    world.store.schedules.pause("often", Note("somebody"))
    assert alpha.beat().fire_in_ms is None
    world.advance(5 * EVERY_MS)
    world.store.schedules.resume("often")
    assert alpha.beat().fire_in_ms == EVERY_MS
    assert world.store.schedules.get("often").missed == 0


def test_more_than_a_thousand_there_are_not(world: World) -> None:
    world.client.zadd(world.keys.schedules, {f"schedule-{number}": 1e15 for number in range(1000)})
    with pytest.raises(InvalidSchedule, match="1000 schedules"):
        put(world)
