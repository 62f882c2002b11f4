"""Who runs what: queues, supervisors and workers as they are at this moment."""

from collections.abc import Sequence

import pytest

from jobworker.store import fleet as fleet_module
from jobworker.store.claims import Wanted
from jobworker.store.errors import QueueNotFound
from jobworker.store.fleet import Fleet, Queue, QueueShare, RunningJob, Supervisor, Worker
from jobworker.store.pause import Pause
from jobworker.store.roster import Roster, RosterEntry
from jobworker.store.states import Outcome
from tests.support import world as world_module
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, World

Incarnation = world_module.Supervisor


@pytest.fixture
def fleet(world: World) -> Fleet:
    return world.store.fleet


@pytest.fixture
def job_id(world: World) -> str:
    return world.enqueue()


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for two of anything at once."""
    monkeypatch.setattr(fleet_module, "STEP", 2)
    monkeypatch.setattr(fleet_module, "SCRIPT_STEP", 2)


def entry(pid: int, state: str = "idle") -> RosterEntry:
    return RosterEntry(pid=pid, state=state, started_ms=START_MS - 60_000, jobs=4, rss_bytes=8_000_000, cpu_seconds=1.5)


def worker(pid: int, state: str, job: RunningJob | None = None) -> Worker:
    return Worker("alpha", pid, state, START_MS - 60_000, 4, 8_000_000, 1.5, job)


def names(supervisors: Sequence[Supervisor]) -> list[str]:
    return [supervisor.name for supervisor in supervisors]


def test_a_supervisor_tells_what_it_registered_and_what_it_runs(world: World, fleet: Fleet) -> None:
    alpha = world.register("alpha", queues="images=3 mail=1")
    world.enqueue()
    alpha.claim_one()
    roster = Roster((entry(7, "busy"),), restarts=2)
    alpha.beat(roster)
    world.advance(2000)
    [found] = fleet.supervisors()
    assert found == Supervisor(
        name="alpha",
        epoch=alpha.epoch,
        host="host",
        pid=4711,
        version="1",
        workers=2,
        queues=(QueueShare("images", 3), QueueShare("mail", 1)),
        now_ms=START_MS + 2000,
        lease_ms=LEASE_MS,
        lease_left_ms=LEASE_MS - 2000,
        running=1,
        roster=roster,
        types={},
    )
    assert found.silent_ms == 2000


def test_before_its_first_beat_a_supervisor_has_no_workers_to_tell_of(
    world: World, fleet: Fleet, alpha: Incarnation
) -> None:
    [found] = fleet.supervisors()
    assert (found.queues, found.running, found.roster) == ((), 0, Roster())
    assert fleet.workers() == []


def test_a_successor_begins_with_an_empty_roster(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    alpha.beat(Roster((entry(7),)))
    world.register("alpha", proofs=["lock"])
    assert fleet.workers() == []


def test_supervisors_are_listed_by_name_while_their_lease_lasts(world: World, fleet: Fleet) -> None:
    world.register("zeta")
    alpha = world.register("alpha")
    world.advance(1000)
    alpha.beat()
    assert [(found.name, found.lease_left_ms) for found in fleet.supervisors()] == [
        ("alpha", LEASE_MS),
        ("zeta", LEASE_MS - 1000),
    ]
    world.advance(LEASE_MS - 1000)
    assert names(fleet.supervisors()) == ["alpha"]
    alpha.leave()
    assert fleet.supervisors() == []


def test_a_record_that_is_gone_or_of_another_version_tells_less(
    world: World, fleet: Fleet, alpha: Incarnation, job_id: str
) -> None:
    """Older builds wrote neither the lease's term nor a roster; what newer ones will write nobody knows."""
    alpha.claim_one()
    record = world.keys.supervisor("alpha")
    world.client.hdel(record, "lease_ms", "roster", "queues", "pid")
    world.client.hset(record, "types", '{"echo": 1}')
    [found] = fleet.supervisors()
    assert (found.host, found.pid, found.queues, found.types) == ("host", None, (), {})
    assert (found.lease_ms, found.silent_ms, found.roster) == (None, None, None)
    assert [(worker.pid, worker.state) for worker in fleet.workers()] == [(100, "busy")]
    world.client.delete(record)
    assert fleet.supervisors() == [Supervisor("alpha", alpha.epoch, START_MS, LEASE_MS, running=1)]


def test_a_running_job_whose_record_is_damaged_is_left_out(
    world: World, fleet: Fleet, alpha: Incarnation, job_id: str
) -> None:
    alpha.claim_one()
    world.client.hdel(world.keys.job(job_id), "worker")
    assert fleet.workers() == []


@pytest.mark.parametrize("count", [2, 4, 5])
def test_more_supervisors_than_one_step_takes_are_all_listed(
    world: World, fleet: Fleet, short_steps: None, count: int
) -> None:
    all_names = [f"s{number}" for number in range(count)]
    for name in all_names:
        world.register(name)
    assert names(fleet.supervisors()) == all_names


@pytest.mark.parametrize("told", ["starting", "spare", "idle", "ending"])
def test_a_worker_without_a_job_is_what_its_supervisor_said(
    world: World, fleet: Fleet, alpha: Incarnation, told: str
) -> None:
    alpha.beat(Roster((entry(100, told),)))
    assert fleet.workers() == [worker(100, told)]


def test_a_job_claimed_since_the_last_beat_shows_at_once(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    alpha.beat(Roster((entry(100), entry(101))))
    job_id = world.enqueue(type="resize")
    alpha.claim_one()
    world.advance(250)
    job = RunningJob(job_id, "resize", attempt=1, started_ms=START_MS, ran_ms=250)
    assert fleet.workers() == [worker(100, "busy", job), worker(101, "idle")]


def test_a_job_that_ended_since_the_last_beat_shows_no_more(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.beat(Roster((entry(100, "busy"),)))
    alpha.settle(claim, Outcome.SUCCEEDED)
    assert fleet.workers() == [worker(100, "idle")]


def test_a_worker_that_is_being_ended_still_has_its_job(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    job_id = world.enqueue()
    alpha.claim_one()
    alpha.beat(Roster((entry(100, "ending"),)))
    [found] = fleet.workers()
    assert found.state == "ending"
    assert found.job is not None
    assert found.job.id == job_id


def test_a_worker_forked_since_the_last_beat_shows_with_its_job(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    alpha.beat(Roster((entry(200),)))
    job_id = world.enqueue()
    alpha.claim_one()
    job = RunningJob(job_id, "echo", attempt=1, started_ms=START_MS, ran_ms=0)
    assert fleet.workers() == [Worker("alpha", 100, "busy", job=job), worker(200, "idle")]


def test_workers_of_a_supervisor_whose_lease_has_ended_are_not_listed(
    world: World, fleet: Fleet, alpha: Incarnation
) -> None:
    alpha.beat(Roster((entry(100),)))
    world.advance(LEASE_MS)
    assert fleet.workers() == []


def test_workers_are_listed_by_supervisor_and_pid_whatever_their_number(
    world: World, fleet: Fleet, alpha: Incarnation, short_steps: None
) -> None:
    beta = world.register("beta")
    pids = [1000, 1001, 1002, 1003, 1004]
    alpha.beat(Roster(tuple(entry(pid) for pid in reversed(pids))))
    beta.beat(Roster((entry(5),)))
    for pid in pids:
        world.enqueue(type=f"t{pid}")
    alpha.exchange(want=[Wanted(pid) for pid in pids])
    found = fleet.workers()
    assert [(one.supervisor, one.pid) for one in found] == [*(("alpha", pid) for pid in pids), ("beta", 5)]
    assert [one.job and one.job.type for one in found] == [*(f"t{pid}" for pid in pids), None]


def test_a_queue_tells_what_waits_by_priority(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    for priority in (1, 5, 5, 10, 7, 5):
        world.enqueue(queue="mail", priority=priority)
        world.advance(10)
    world.enqueue(queue="mail", delay_ms=1000)
    assert fleet.queue("mail") == Queue(
        name="mail",
        pending=6,
        by_priority={10: 1, 7: 1, 5: 3, 1: 1},
        now_ms=START_MS + 60,
        oldest_ms=START_MS,
        pause=None,
        supervisors=("alpha",),
    )
    assert list(fleet.queue("mail").by_priority) == [10, 7, 5, 1]


def test_the_oldest_job_may_be_of_any_priority(world: World, fleet: Fleet) -> None:
    world.enqueue(priority=3)
    world.advance(1000)
    world.enqueue(priority=9)
    assert fleet.queue("default").oldest_ms == START_MS


def test_a_delayed_job_waits_since_it_was_due(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    world.enqueue(delay_ms=5000)
    world.advance(6000)
    alpha.exchange()
    found = fleet.queue("default")
    assert (found.pending, found.oldest_ms) == (1, START_MS + 5000)


def test_a_queue_that_has_been_emptied_is_still_there(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    world.enqueue(queue="mail")
    alpha.claim_one()
    found = fleet.queue("mail")
    assert (found.pending, found.by_priority, found.oldest_ms) == (0, {}, None)


def test_a_queue_that_never_held_a_job_is_none(world: World, fleet: Fleet) -> None:
    with pytest.raises(QueueNotFound, match="there is no queue mail"):
        fleet.queue("mail")


def test_queues_are_listed_by_name_whatever_their_number(world: World, fleet: Fleet, short_steps: None) -> None:
    all_names = ["a", "b", "c", "d", "e"]
    for name in reversed(all_names):
        world.enqueue(queue=name)
    assert [(queue.name, queue.pending) for queue in fleet.queues()] == [(name, 1) for name in all_names]


def test_a_queue_tells_its_own_pause_before_the_one_of_everything(world: World, fleet: Fleet) -> None:
    for queue in ("mail", "images"):
        world.enqueue(queue=queue)
    world.store.pause("mail", who="a", reason="bounces")
    assert [queue.pause for queue in fleet.queues()] == [None, Pause("mail", "a", START_MS, "bounces")]
    world.store.pause(who="b")
    assert [queue.pause for queue in fleet.queues()] == [
        Pause("*", "b", START_MS),
        Pause("mail", "a", START_MS, "bounces"),
    ]


def test_a_queue_names_those_who_serve_it(world: World, fleet: Fleet) -> None:
    world.register("all")
    world.register("both", queues="images mail=2")
    world.register("mails", queues="mail")
    world.register("gone", queues="mail").leave()
    for queue in ("images", "mail", "other"):
        world.enqueue(queue=queue)
    assert [queue.supervisors for queue in fleet.queues()] == [("all", "both"), ("all", "both", "mails"), ("all",)]


def test_looking_changes_nothing(world: World, fleet: Fleet, alpha: Incarnation) -> None:
    world.enqueue()
    world.enqueue()
    alpha.claim_one()
    alpha.beat(Roster((entry(100),)))
    before = world.snapshot()
    fleet.supervisors()
    fleet.workers()
    fleet.queues()
    fleet.queue("default")
    assert world.snapshot() == before
