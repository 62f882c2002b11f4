"""`enqueue`: all or none, once, in its place."""

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.errors import InvalidJob
from jobworker.store.idempotency import Acceptance
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_BATCH_JOBS, MAX_QUEUES, MAX_TYPES
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def new(**options: object) -> NewJob:
    return NewJob(**{"id": new_job_id(), "type": "echo", **options})  # type: ignore[arg-type]


def states(answers: list[Acceptance]) -> list[JobState]:
    return [answer.status for answer in answers]


def test_a_job_is_stored_whole_in_its_queue(world: World) -> None:
    job = new(
        type="resize", queue="images", priority=9, payload=b"\x00\xff", timeout_ms=2500, max_attempts=4, max_crashes=2,
        expires_at_ms=START_MS + 60_000, backoff=Backoff(base=2.0),
    )  # fmt: skip
    assert states(world.store.enqueue([job])) == [JobState.PENDING]
    assert world.snapshot() == {
        "meta": {"sequence": "1"},
        "queues": {"images"},
        "types": {"resize"},
        "created": {job.id: START_MS},
        "by_type:resize": {job.id: START_MS},
        "ready:images": {job.id: 1 * 2**44 + 1},
        "expiring": {job.id: START_MS + 60_000},
        "wake:images": ["1"],
        "wake:*": ["1"],
        f"job:{job.id}": {
            "type": "resize",
            "queue": "images",
            "priority": "9",
            "payload": "\x00\\xff",
            "status": "pending",
            "first_status": "pending",
            "created_ms": str(START_MS),
            "run_at_ms": str(START_MS),
            "expires_ms": str(START_MS + 60_000),
            "timeout_ms": "2500",
            "max_attempts": "4",
            "max_crashes": "2",
            "backoff": '{"base":2.0,"factor":2.0,"max":3600.0,"jitter":true}',
            "sequence": "1",
            "attempt": "0",
            "failures": "0",
            "crashes": "0",
        },
    }


@pytest.mark.parametrize("when", [{"delay_ms": 5000}, {"run_at_ms": START_MS + 5000}], ids=["delay", "run_at"])
def test_a_job_for_later_is_scheduled(world: World, when: dict[str, int]) -> None:
    job = new(**when)
    assert states(world.store.enqueue([job])) == [JobState.SCHEDULED]
    data = world.snapshot()
    assert data["scheduled"] == {job.id: START_MS + 5000}
    assert (data[f"job:{job.id}"]["status"], data[f"job:{job.id}"]["run_at_ms"]) == ("scheduled", str(START_MS + 5000))
    assert "timeout_ms" not in data[f"job:{job.id}"]
    indexes = {"queues", "types", "scheduled", "created", "by_type:echo"}
    assert data.keys() == {"meta", "wake:default", "wake:*", f"job:{job.id}"} | indexes


@pytest.mark.parametrize("run_at_ms", [0, START_MS - 1, START_MS])
def test_a_job_whose_time_has_passed_is_pending(world: World, run_at_ms: int) -> None:
    job_id = world.enqueue(run_at_ms=run_at_ms)
    assert world.order_of() == [job_id]
    assert world.store.get(job_id).run_at_ms == START_MS


def test_a_time_wins_over_a_delay(world: World) -> None:
    job_id = world.enqueue(run_at_ms=START_MS + 100, delay_ms=9000)
    assert world.store.get(job_id).run_at_ms == START_MS + 100


def test_a_call_answers_for_each_of_its_jobs(world: World) -> None:
    jobs = [new(delay_ms=delay_ms) for delay_ms in (0, 10, 0)]
    assert states(world.store.enqueue(jobs)) == ["pending", "scheduled", "pending"]


def test_a_full_batch_goes_in(world: World) -> None:
    world.store.enqueue([new() for _ in range(MAX_BATCH_JOBS)])
    assert len(world.order_of()) == MAX_BATCH_JOBS


@pytest.mark.parametrize("delay_ms", [0, 60_000])
def test_a_repeat_changes_nothing_and_answers_as_the_first_time(world: World, delay_ms: int) -> None:
    job = new(delay_ms=delay_ms)
    first = world.store.enqueue([job])
    world.tokens()
    before = world.snapshot()
    world.advance(1000)
    assert world.store.enqueue([job]) == first
    assert world.snapshot() == before


def test_a_repeat_answers_as_the_first_time_when_the_job_has_run(world: World, alpha: Supervisor) -> None:
    job = new(delay_ms=1000, expires_at_ms=START_MS + 5000)
    world.store.enqueue([job])
    world.advance(1000)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.advance(10_000)
    before = world.snapshot()
    assert states(world.store.enqueue([job])) == [JobState.SCHEDULED]
    assert world.snapshot() == before


def test_a_repeat_in_other_words_changes_nothing(world: World) -> None:
    job = new()
    world.store.enqueue([job])
    world.tokens()
    before = world.snapshot()
    world.store.enqueue([NewJob(job.id, "other", queue="elsewhere", priority=10, payload=b"1")])
    assert world.snapshot() == before


def test_known_and_new_jobs_go_in_together(world: World) -> None:
    known, fresh = new(delay_ms=1000), new()
    world.store.enqueue([known])
    assert states(world.store.enqueue([known, fresh])) == ["scheduled", "pending"]
    assert world.order_of() == [fresh.id]


def test_an_id_twice_in_one_call_is_one_job(world: World) -> None:
    job = new()
    again = NewJob(job.id, "other", queue="other", delay_ms=9)
    assert states(world.store.enqueue([job, again])) == ["pending", "pending"]
    assert world.order_of() == [job.id]
    assert (world.snapshot()["queues"], world.snapshot()["types"]) == ({"default"}, {"echo"})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_refused_job_keeps_out_all(world: World, place: int) -> None:
    jobs = [new(queue="fresh"), new(delay_ms=10)]
    jobs.insert(place, new(expires_at_ms=START_MS))
    before = world.snapshot()
    with pytest.raises(InvalidJob):
        world.store.enqueue(jobs)
    assert world.snapshot() == before


def fill(world: World, count: int) -> None:
    world.client.sadd(world.keys.queues, *(f"queue-{number}" for number in range(count)))


def test_one_queue_too_many_keeps_out_all(world: World) -> None:
    fill(world, MAX_QUEUES - 1)
    before = world.snapshot()
    with pytest.raises(InvalidJob, match="there are 1000 queues already") as refused:
        world.store.enqueue([new(queue="fits"), new(queue="too-many")])
    assert refused.value.field == "queue"
    assert world.snapshot() == before


def test_the_last_queue_fits_and_counts_once(world: World) -> None:
    fill(world, MAX_QUEUES - 1)
    world.store.enqueue([new(queue="fits"), new(queue="fits")])
    world.store.enqueue([new(queue="fits"), new(queue="queue-0")])
    with pytest.raises(InvalidJob):
        world.store.enqueue([new(queue="too-many")])


def test_one_type_too_many_keeps_out_all(world: World) -> None:
    for start in range(0, MAX_TYPES, MAX_BATCH_JOBS):
        world.store.enqueue([new(type=f"type-{start + place}") for place in range(MAX_BATCH_JOBS)])
    before = world.snapshot()
    with pytest.raises(InvalidJob, match="there are jobs of 1000 types already") as refused:
        world.store.enqueue([new(type="type-0"), new(type="too-many")])
    assert refused.value.field == "type"
    assert world.snapshot() == before


def test_a_type_whose_last_job_went_makes_room(world: World) -> None:
    job_id = world.enqueue(type="rare")
    world.store.cancel(job_id)
    assert world.snapshot()["types"] == {"rare"}
    world.store.delete(job_id)
    assert "types" not in world.snapshot()


def test_a_repeat_is_answered_although_there_are_too_many_queues(world: World) -> None:
    job = new(queue="mine")
    world.store.enqueue([job])
    fill(world, MAX_QUEUES)
    assert states(world.store.enqueue([NewJob(job.id, "echo", queue="other")])) == ["pending"]
