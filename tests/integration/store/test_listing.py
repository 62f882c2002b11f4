"""`list`: pages of jobs by status, type and queue, in an order that no write in between disturbs."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from jobworker.store.errors import BadCursor
from jobworker.store.ids import new_job_id
from jobworker.store.job import ErrorInfo, JobSummary, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.listing import JobFilter, JobPage
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

EVERYTHING = JobFilter()


def pages(store: JobStore, wanted: JobFilter, limit: int) -> Iterator[JobPage]:
    cursor: str | None = None
    while True:
        page = store.list_jobs(wanted, limit=limit, cursor=cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def listed(world: World, wanted: JobFilter = EVERYTHING, limit: int = 3) -> list[str]:
    """Return the ids of all pages."""
    return [job.id for page in pages(world.store, wanted, limit) for job in page.jobs]


def test_without_jobs_there_is_one_empty_page(world: World) -> None:
    for wanted in (EVERYTHING, *map(JobFilter, JobState), JobFilter(type="echo"), JobFilter(queue="default")):
        assert world.store.list_jobs(wanted, limit=10) == JobPage([], None)


def test_a_listed_job_has_everything_but_what_may_be_large(world: World, alpha: Supervisor) -> None:
    world.enqueue(type="resize", queue="images", priority=7, timeout_ms=10, max_attempts=4, payload=b"[1]")
    error = ErrorInfo("ValueError", "bad", "Traceback")
    alpha.settle(alpha.claim_one(), Outcome.RAISED, final=True, error=error, reason="bad", detail=None)
    [job] = world.store.list_jobs(EVERYTHING, limit=10).jobs
    record = world.store.get(job.id)
    assert type(job) is JobSummary
    assert {name: getattr(job, name) for name in job.__struct_fields__} == {
        name: getattr(record, name) for name in job.__struct_fields__
    }
    assert (job.error, job.status) == (error, "failed")


def test_a_list_changes_nothing(world: World, alpha: Supervisor) -> None:
    for place in range(5):
        world.enqueue(delay_ms=place % 2, expires_at_ms=START_MS + 5)
    alpha.claim_one()
    world.advance(10)
    before = world.snapshot()
    for status in (None, *JobState):
        listed(world, JobFilter(status), 1)
        listed(world, JobFilter(status, "echo", "default"), 1)
    assert world.snapshot() == before


def test_all_jobs_come_newest_first_whatever_their_type(world: World) -> None:
    ids = []
    for place in range(12):
        ids.append(world.enqueue(type=f"type-{place % 3}", delay_ms=place % 2))
        world.advance(place % 2)
    assert listed(world) == sorted(ids, reverse=True)
    assert listed(world, JobFilter(type="type-1")) == sorted(ids[1::3], reverse=True)


def test_pending_jobs_come_in_the_order_in_which_they_would_run(world: World) -> None:
    for priority in (3, 9, 5, 9, 1):
        for queue in ("a", "b"):
            world.enqueue(queue=queue, priority=priority)
    ids = listed(world, JobFilter(JobState.PENDING))
    assert listed(world, JobFilter(JobState.PENDING, queue="a")) == world.order_of("a")
    assert [claim.id for claim in world.register("alpha").claim(10)] == ids


def test_scheduled_jobs_come_soonest_first(world: World) -> None:
    ids = {delay_ms: world.enqueue(delay_ms=delay_ms) for delay_ms in (500, 100, 900, 300)}
    assert listed(world, JobFilter(JobState.SCHEDULED)) == [ids[delay_ms] for delay_ms in sorted(ids)]


def test_running_jobs_of_all_supervisors_come_latest_started_first(world: World, alpha: Supervisor) -> None:
    started = []
    for supervisor in (alpha, world.register("beta"), alpha, world.register("gamma")):
        world.enqueue()
        started.append(supervisor.claim_one().id)
        world.advance(1)
    assert listed(world, JobFilter(JobState.RUNNING), 1) == started[::-1]


def test_ended_jobs_come_latest_ended_first(world: World) -> None:
    ids = [world.enqueue() for _ in range(4)]
    for job_id in ids:
        world.store.cancel(job_id)
        world.advance(1)
    assert listed(world, JobFilter(JobState.CANCELLED)) == ids[::-1]


def test_what_expired_unseen_is_expired_and_nothing_else(world: World, alpha: Supervisor) -> None:
    seen = world.enqueue(expires_at_ms=START_MS + 10)
    world.advance(10)
    alpha.exchange()
    unseen = [world.enqueue(delay_ms=delay_ms, expires_at_ms=START_MS + 100) for delay_ms in (0, 50)]
    world.enqueue(expires_at_ms=START_MS + 101)
    world.advance(90)
    expired = [*sorted(unseen, reverse=True), seen]
    for wanted in (JobFilter(JobState.EXPIRED), JobFilter(JobState.EXPIRED, "echo", "default")):
        assert listed(world, wanted, 1) == expired
    assert len(listed(world, JobFilter(JobState.PENDING))) == 1
    assert listed(world, JobFilter(JobState.SCHEDULED)) == []
    assert Counter(job.status for job in world.store.list_jobs(EVERYTHING, limit=9).jobs) == {
        "expired": 3,
        "pending": 1,
    }


def test_what_expires_between_two_pages_is_swept_into_its_place(world: World, alpha: Supervisor) -> None:
    ids = [world.enqueue(expires_at_ms=START_MS + place) for place in (1, 2, 3)]
    world.advance(5)
    first, *others = pages_with(world, JobFilter(JobState.EXPIRED), 1, alpha.exchange)
    assert [job.id for page in (first, *others) for job in page.jobs] == ids[::-1]


def pages_with(world: World, wanted: JobFilter, limit: int, between: Callable[[], object]) -> list[JobPage]:
    """Return all pages; something happens after each."""
    found = []
    for page in pages(world.store, wanted, limit):
        found.append(page)
        between()
    return found


@pytest.mark.parametrize("rare", ["type", "status"])
def test_filters_that_the_index_does_not_decide_hold_too(world: World, rare: str) -> None:
    """The smaller of two indexes is walked: of the type's or of the status's jobs."""
    matching = [world.enqueue(type="mine", queue="a") for _ in range(2)]
    other_queue = world.enqueue(type="mine", queue="b")
    for _ in range(5):
        other = world.enqueue(type="other" if rare == "type" else "mine", queue="a")
        if rare == "status":
            world.store.cancel(other)
    assert listed(world, JobFilter(JobState.PENDING, "mine"), 1) == sorted(
        [*matching, other_queue], reverse=rare == "type"
    )
    assert listed(world, JobFilter(JobState.PENDING, "mine", "a"), 1) == sorted(matching, reverse=rare == "type")
    assert listed(world, JobFilter(queue="b")) == [other_queue]


def test_of_two_indexes_the_walk_stays_with_the_one_it_began_with(world: World) -> None:
    ids = [world.enqueue(type="mine") for _ in range(3)]
    page = world.store.list_jobs(JobFilter(JobState.PENDING, "mine"), limit=1)
    for _ in range(4):
        world.store.cancel(world.enqueue(type="mine"))
    rest = world.store.list_jobs(JobFilter(JobState.PENDING, "mine"), limit=9, cursor=page.next_cursor)
    assert [job.id for job in (*page.jobs, *rest.jobs)] == ids


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_many_jobs_of_one_instant_come_each_once(world: World, limit: int) -> None:
    jobs = [NewJob(new_job_id(), f"type-{place % 2}", run_at_ms=START_MS + 9) for place in range(200)]
    world.store.enqueue(jobs)
    ids = sorted(job.id for job in jobs)
    store = JobStore(world.client, world.keys, world.terms.retention)
    for wanted, order in ((EVERYTHING, ids[::-1]), (JobFilter(JobState.SCHEDULED), ids)):
        assert [job.id for page in pages(store, wanted, limit) for job in page.jobs] == order


def test_however_many_types_have_jobs_a_list_of_all_reads_one_index(world: World) -> None:
    jobs = [NewJob(new_job_id(), f"type-{place}") for place in range(5)]
    world.store.enqueue(jobs)
    world.client.delete(world.keys.types, *(world.keys.by_type(job.type) for job in jobs))
    store = JobStore(world.client, world.keys, world.terms.retention)
    ids = sorted((job.id for job in jobs), reverse=True)
    assert [job.id for job in store.list_jobs(EVERYTHING, limit=9).jobs] == ids


@pytest.mark.parametrize("count", [1, 7, 40])
def test_pending_jobs_of_many_queues_come_in_order_however_they_are_spread(world: World, count: int) -> None:
    """A queue that gives much is read in growing bites, each behind the last entry of the one before."""
    chance = random.Random(count)
    jobs = [NewJob(new_job_id(), "echo", queue=f"queue-{int(chance.random() ** 4 * count)}") for _ in range(200)]
    world.store.enqueue(jobs)
    store = JobStore(world.client, world.keys, world.terms.retention)
    for limit in (30, 200):
        found = [job.id for page in pages(store, JobFilter(JobState.PENDING), limit) for job in page.jobs]
        assert found == [job.id for job in jobs]


def test_a_page_goes_on_behind_a_job_that_has_gone(world: World) -> None:
    jobs = [NewJob(new_job_id(), "echo") for _ in range(9)]
    world.store.enqueue(jobs)
    ids = sorted((job.id for job in jobs), reverse=True)
    page = world.store.list_jobs(EVERYTHING, limit=4)
    for job_id in ids[2:5]:
        world.store.cancel(job_id)
        world.store.delete(job_id)
    rest = world.store.list_jobs(EVERYTHING, limit=9, cursor=page.next_cursor)
    assert ([job.id for job in page.jobs], [job.id for job in rest.jobs]) == (ids[:4], ids[5:])


def test_a_call_looks_at_a_thousand_entries_and_then_answers_what_it_has(world: World) -> None:
    store = JobStore(world.client, world.keys, world.terms.retention)
    first = NewJob(new_job_id(), "echo", queue="rare")
    store.enqueue([first])
    for _ in range(11):
        store.enqueue([NewJob(new_job_id(), "echo") for _ in range(200)])
    found = list(pages(store, JobFilter(queue="rare"), 10))
    assert [[job.id for job in page.jobs] for page in found] == [[], [], [first.id]]


def test_an_entry_without_a_record_is_passed_over(world: World) -> None:
    """Its own TTL may have taken it, before the sweep."""
    ids = [world.enqueue() for _ in range(3)]
    world.client.delete(world.keys.job(ids[1]))
    store = JobStore(world.client, world.keys, world.terms.retention)
    assert [job.id for job in store.list_jobs(EVERYTHING, limit=3).jobs] == [ids[2], ids[0]]


def test_a_cursor_of_another_list_is_refused(world: World) -> None:
    for _ in range(3):
        world.enqueue()
    cursor = world.store.list_jobs(JobFilter(type="echo"), limit=1).next_cursor
    with pytest.raises(BadCursor, match="other filters"):
        world.store.list_jobs(JobFilter(queue="default"), limit=1, cursor=cursor)


FILTERS = [
    *(JobFilter(status) for status in (None, *JobState)),
    *(JobFilter(status, "type-1") for status in (None, JobState.PENDING, JobState.CANCELLED)),
    *(JobFilter(status, queue="a") for status in (None, JobState.PENDING)),
]


class Weather:
    """Random writes, and what they leave alone."""

    def __init__(self, world: World, alpha: Supervisor, wanted: JobFilter, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world, self.alpha, self.wanted = world, alpha, wanted
        self.begin()
        self.steady = self.places()

    def begin(self) -> None:
        """Bring some jobs into every state."""
        self.enqueue(40)
        for outcome in (Outcome.SUCCEEDED, Outcome.REJECTED) * 4:
            self.alpha.settle(self.alpha.claim_one(), outcome)
            self.cancel_some()
            self.world.advance(self.chance.choice([0, 1]))
        self.enqueue(20)
        self.alpha.claim(6)
        self.world.advance(12)

    def enqueue(self, count: int) -> None:
        now_ms, chance = self.world.clock.now_ms, self.chance
        delays = [chance.choice([0, 0, 0, 2, 50]) for _ in range(count)]
        jobs = [
            NewJob(
                id=new_job_id(),
                type=f"type-{chance.randrange(3)}",
                queue=chance.choice("ab"),
                priority=chance.choice([1, 5]),
                delay_ms=delay_ms,
                expires_at_ms=chance.choice([None, None, now_ms + delay_ms + chance.randrange(1, 20)]),
            )
            for delay_ms in delays
        ]
        self.world.store.enqueue(jobs)

    def change(self) -> None:
        """Do something to a few jobs."""
        changes = [self.run_some, self.cancel_some, self.forget_some, self.retry_some, self.enqueue_some]
        self.chance.choice(changes)()
        self.world.advance(self.chance.choice([0, 0, 1]))

    def pass_by(self) -> None:
        self.change()
        now = self.places()
        self.steady = {job_id: place for job_id, place in self.steady.items() if now.get(job_id) == place}

    def enqueue_some(self) -> None:
        self.enqueue(2)

    def run_some(self) -> None:
        for claim in self.alpha.claim(1):
            outcome = self.chance.choice([Outcome.SUCCEEDED, Outcome.RAISED, Outcome.CRASHED, Outcome.REJECTED])
            self.alpha.settle(claim, outcome, delay_ms=self.chance.choice([0, 30]))

    def cancel_some(self) -> None:
        self.for_some({"pending", "scheduled"}, self.world.store.cancel)

    def forget_some(self) -> None:
        self.for_some({"succeeded", "failed", "cancelled", "expired"}, self.world.store.delete)

    def retry_some(self) -> None:
        self.for_some({"failed", "cancelled"}, self.world.store.retry)

    def for_some(self, statuses: set[str], act: Callable[[str], object]) -> None:
        known = sorted(job_id for job_id, status in self.statuses().items() if status in statuses)
        for job_id in self.chance.sample(known, min(1, len(known))):
            act(job_id)

    def statuses(self) -> dict[str, str]:
        return {job_id: str(job["status"]) for job_id, job in self.jobs().items()}

    def jobs(self) -> dict[str, dict[str, str]]:
        found = {key[4:]: dict(job) for key, job in self.world.snapshot().items() if key.startswith("job:")}
        for job in found.values():
            due = int(job.get("expires_ms", 2**53)) <= self.world.clock.now_ms
            if due and job["status"] in {"pending", "scheduled"} and job["failures"] == job["crashes"] == "0":
                job.update(status="expired", ended_ms=job["expires_ms"])
        return found

    def places(self) -> dict[str, tuple[str, ...]]:
        """Return the jobs that are wanted, each with what says where it stands in the list."""
        wanted = self.wanted
        found: dict[str, tuple[str, ...]] = {}
        names = {"pending": "sequence", "scheduled": "run_at_ms", "running": "token"}
        for job_id, job in self.jobs().items():
            asked = {"status": wanted.status, "type": wanted.type, "queue": wanted.queue}
            if all(value is None or job[name] == value for name, value in asked.items()):
                name = names.get(job["status"], "ended_ms") if wanted.status else "created_ms"
                found[job_id] = (job["created_ms"], job[name])
        return found


def name_of(wanted: JobFilter) -> str:
    return "-".join(map(str, wanted.arguments()))


@pytest.mark.parametrize("wanted", FILTERS, ids=name_of)
@pytest.mark.parametrize("limit", [1, 4])
def test_a_job_that_stays_where_it_is_comes_exactly_once_in_any_weather(
    world: World, alpha: Supervisor, wanted: JobFilter, limit: int
) -> None:
    weather = Weather(world, alpha, wanted, seed=limit)
    found = pages_with(world, wanted, limit, weather.pass_by)
    assert weather.steady, "there was something to see"
    times = Counter(job.id for page in found for job in page.jobs)
    assert {job_id: times[job_id] for job_id in weather.steady} == dict.fromkeys(weather.steady, 1)
