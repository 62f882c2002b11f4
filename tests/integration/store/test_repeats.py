"""Every script that changes something, asked a second time because the network lost its answer: done once.

The clock goes on between the two. What may tell of it afterwards is named; all else is as if nothing had been lost.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from msgspec import Struct, field

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.callback import Callback
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Attempted, BeatAnswer, Claim
from jobworker.store.errors import JobNotFound, OutcomeUnknown, Reaped, ScheduleNotFound
from jobworker.store.flaws import Flaw, Kind
from jobworker.store.idempotency import IdempotencyKey
from jobworker.store.job import NewJob, Note, Receipt
from jobworker.store.repair import Mending, Repair
from jobworker.store.report import LogChunk, Progress
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.schedules import Dues, Firing, NewSchedule
from jobworker.store.states import Outcome
from jobworker.store.stats import Sums
from jobworker.store.timing import Timing
from jobworker.store.unique import UniqueKey
from tests.support.redis_source import real_source
from tests.support.scripts import WRITERS
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World, settling

pytestmark = pytest.mark.real

KEEP_MS = 60_000
CALLBACK = Callback("https://example.org/hook")
UNIQUE = UniqueKey.of("customer 42")
#: Between a call and its repeat.
LATER_MS = 1000


class Row(Struct):
    """One script as it is called: `prepare` makes the scene, `call` asks, once or twice, and returns the answer."""

    prepare: Callable[[World], Any]
    call: Callable[[World, Any], Any]
    #: Fields, by key, that tell when they were written last, and so may tell the time of the repeat.
    moving: dict[str, set[str]] = field(default_factory=dict)
    #: What happens afterwards, in any case.
    afterwards: Callable[[World, Any], Any] = lambda world, scene: None


def job_id(number: int) -> str:
    return f"019cb6c0-7c1a-7d3b-8f00-{number:012d}"


def put_in(world: World, *numbers: int, **options: Any) -> list[str]:
    """Store jobs whose ids are the same in every world."""
    for number in numbers:
        world.enqueue(id=job_id(number), **options)
    return [job_id(number) for number in numbers]


class Scene:
    """A supervisor that has claimed some jobs with its first call."""

    def __init__(self, world: World, jobs: int = 1) -> None:
        put_in(world, *range(jobs))
        self.alpha = world.register("alpha")
        self.claims: list[Claim] = self.alpha.exchange(want=jobs, call=1).claims

    @property
    def claim(self) -> Claim:
        return self.claims[0]


def running(world: World) -> Scene:
    return Scene(world)


def alone(world: World) -> Supervisor:
    return world.register("alpha")


def new_jobs(world: World, _: None) -> Any:
    key = IdempotencyKey.of("4711", b"{}", KEEP_MS)
    jobs = [
        NewJob(job_id(1), "echo"),
        NewJob(job_id(2), "echo", delay_ms=5000, key=key),
        NewJob(job_id(3), "mail", queue="slow", expires_at_ms=START_MS + 900),
    ]
    return world.store.enqueue(jobs)


def settle_and_claim(_: World, scene: Scene) -> Any:
    done, failed, *_rest = scene.claims
    receipt = Receipt(0.5, 0.25, 0.125, 1024)
    settles = [
        settling(done, Outcome.SUCCEEDED, result=b"1", receipt=receipt, log=(LogChunk(0, START_MS, b"output"),)),
        settling(failed, Outcome.CRASHED),
    ]
    return scene.alpha.exchange(*settles, want=2, call=2)


def told_of_its_end(world: World) -> Scene:
    scene = Scene(world)
    put_in(world, 5, callback=CALLBACK)
    scene.claims = scene.alpha.exchange(want=1, call=2).claims
    return scene


def unique_jobs(world: World) -> Any:
    return world.store.enqueue([NewJob(job_id(number), "echo", unique=UNIQUE) for number in (1, 2)])


def with_its_key(world: World) -> Scene:
    scene = Scene(world)
    put_in(world, 5, unique=UNIQUE)
    scene.claims = scene.alpha.exchange(want=1, call=2).claims
    return scene


def with_its_key_ended(world: World) -> list[str]:
    jobs = put_in(world, 1, unique=UNIQUE)
    world.store.cancel(jobs[0])
    return jobs


def with_a_void_key(world: World) -> str:
    world.client.set(world.keys.unique(UNIQUE.digest), job_id(1))
    return UNIQUE.digest


def repair_key(world: World, digest: str) -> str:
    flaw = Flaw(Kind.VOID, digest, f"unique:{digest}")
    [mended] = Repair(world.watched, world.keys, world.terms.retention).mend([flaw])
    # What the second has found to be so the first has mended.
    return "mended" if mended.mending in (Mending.REMOVED, Mending.AGREES) else mended.mending


def settle_one(_: World, scene: Scene) -> Any:
    return scene.alpha.exchange(settling(scene.claim, Outcome.SUCCEEDED, result=b"1"), want=1, call=3)


def expired_unseen(world: World) -> list[str]:
    jobs = put_in(world, 1, callback=CALLBACK, expires_at_ms=world.clock.now_ms + 10)
    world.advance(11)
    return jobs


def with_two_waiting(world: World) -> Scene:
    scene = Scene(world, jobs=2)
    put_in(world, 7, 8)
    return scene


def beside_a_dead_supervisor(world: World) -> Scene:
    """Alpha has held its lease for a term and has a flagged job; beta's has ended, with a job."""
    scene = Scene(world)
    put_in(world, 7)
    world.register("beta").claim_one()
    world.store.cancel(scene.claim.id)
    world.store.control.scale("alpha", 5)
    for _ in range(4):
        world.advance(LEASE_MS // 3)
        if world.clock.now_ms < START_MS + LEASE_MS:
            scene.alpha.beat()
    return scene


def beat(_: World, scene: Scene) -> Any:
    answer: BeatAnswer = scene.alpha.beat(Roster(restarts=1))
    # How many it has reaped itself only the log is told.
    return answer.lease_ms, answer.running, answer.cancels, answer.requests


def reconcile(_: World, scene: Scene) -> Any:
    kept, _forgotten = scene.claims
    return scene.alpha.reconcile(kept, Attempted(job_id(9), 1), call=2)


def leave(_: World, scene: Scene) -> str:
    # What a session takes for an answer, too.
    with suppress(Reaped):
        scene.alpha.leave()
    return "left"


def report(_: World, scene: Scene) -> Any:
    return scene.alpha.tell(scene.claim, LogChunk(0, START_MS, b"output"), progress=Progress(0.5, "half"))


def delete(world: World, jobs: list[str]) -> str:
    # What the API takes for an answer, too.
    with suppress(JobNotFound):
        world.store.delete(jobs[0])
    return "deleted"


def ended(world: World) -> list[str]:
    jobs = put_in(world, 1)
    world.store.cancel(jobs[0])
    return jobs


def kept_long_enough(world: World) -> Supervisor:
    alpha = alone(world)
    ended(world)
    world.advance(world.terms.retention.keep_ms + 1)
    return alpha


def publish(world: World, alpha: Supervisor) -> Any:
    entry = HandlerEntry("echo", {}, HandlerDefaults(timeout=5.0), "Return it.", "digest")
    return world.run(alpha.incarnation.publish([entry], 3))


def keep_stack(world: World, scene: Scene) -> Any:
    return world.run(scene.alpha.incarnation.keep_stack(Attempted(scene.claim.id, scene.claim.token), "Thread …"))


def paused(world: World) -> None:
    put_in(world, 1)
    world.tokens()
    world.store.pause(who="somebody")


def missing_in_its_queue(world: World) -> list[str]:
    jobs = put_in(world, 1)
    world.client.delete(world.keys.ready("default"))
    world.tokens()
    return jobs


def repair(world: World, jobs: list[str]) -> str:
    flaw = Flaw(Kind.UNLISTED, jobs[0], "ready:default")
    [mended] = Repair(world.watched, world.keys, world.terms.retention).mend([flaw])
    # What the second has found to be so the first has mended.
    return "mended" if mended.mending in (Mending.FILED, Mending.AGREES) else mended.mending


def schedule_of(**options: Any) -> NewSchedule:
    plain: dict[str, Any] = {"timing": Timing(every_ms=60_000), "overlap": "allow", "misfire": "once"}
    template = NewJob("", "echo", queue="", priority=0)
    said = {"name": "hourly", "grace_ms": 60_000, **plain, **options}
    return NewSchedule(**said, template=template, definition=b"{}")


def scheduled(world: World) -> Dues:
    world.register("alpha")
    world.store.schedules.put(schedule_of(), "request")
    world.advance(60_000)
    dues: Dues = world.run(world.dial.due())
    return dues


def fire(world: World, dues: Dues) -> str:
    [schedule] = dues.schedules
    template = NewJob("", "echo", schedule="hourly")
    firing = Firing(schedule, [schedule.due_ms], template, 0, schedule.due_ms + 60_000)
    # Whoever comes second finds it done, by himself or by another.
    world.run(world.dial.fire(firing))
    return "fired"


def unschedule(world: World, _: Any) -> str:
    with suppress(ScheduleNotFound):
        world.store.schedules.delete("hourly")
    return "gone"


def held(world: World) -> None:
    scheduled(world)
    world.store.schedules.pause("hourly", Note("somebody"))


def has_left(world: World) -> list[Supervisor]:
    alone(world).leave()
    return []


def register(world: World, births: list[Supervisor]) -> str:
    # With its own lock as the proof that the one before, if any, was itself.
    births.append(world.register("alpha", proofs=["lock"]))
    return births[-1].name


def first_beat(_: World, births: list[Supervisor]) -> None:
    """It reaps the incarnation whose birth was not answered."""
    births[-1].beat()


PROMPT = {"supervisor:alpha": {"lease_end"}, "supervisors": {"alpha:<epoch>"}, "meta": {"last_beat"}}
ROWS: dict[str, Row] = {
    "enqueue": Row(lambda world: None, new_jobs),
    "register": Row(
        has_left,
        register,
        {
            "supervisor:alpha": {"epoch", "lease_end", "held_since", "proven", "registration"},
            "supervisors": {"alpha:<epoch>"},
            "meta": {"last_beat", "reap_after"},
        },
        first_beat,
    ),
    "exchange": Row(with_two_waiting, settle_and_claim),
    "beat": Row(beside_a_dead_supervisor, beat, PROMPT),
    "reconcile": Row(lambda world: Scene(world, jobs=2), reconcile),
    "leave": Row(running, leave),
    "report": Row(running, report, {f"job:{job_id(0)}": {"progress_ms"}}),
    "stack": Row(running, keep_stack, {f"job:{job_id(0)}": {"stack_ms"}}),
    "publish": Row(alone, publish, {"handlers": {"echo"}}),
    "sweep": Row(kept_long_enough, lambda world, alpha: alpha.sweep()),
    "tally": Row(alone, lambda world, alpha: alpha.tally(1, Sums("echo", {"succeeded": 1}, 10, 5, 5, 4096))),
    "request": Row(
        alone, lambda world, alpha: world.store.control.scale("alpha", 5), {"requests:alpha:<epoch>": {"scale"}}
    ),
    "cancel, before it started": Row(
        lambda world: put_in(world, 1), lambda world, jobs: world.store.cancel(jobs[0], Note("somebody", "why"))
    ),
    "cancel, with a callback": Row(
        lambda world: put_in(world, 1, callback=CALLBACK), lambda world, jobs: world.store.cancel(jobs[0])
    ),
    "exchange, with a callback": Row(told_of_its_end, settle_one),
    "retry, of what had expired unseen, with a callback": Row(
        expired_unseen, lambda world, jobs: world.store.retry(jobs[0], "request")
    ),
    "cancel, while it runs": Row(running, lambda world, scene: world.store.cancel(scene.claim.id, Note("somebody"))),
    "enqueue, with a unique key": Row(lambda world: None, lambda world, _: unique_jobs(world)),
    "exchange, with a unique key": Row(with_its_key, settle_one),
    "retry, with a unique key": Row(with_its_key_ended, lambda world, jobs: world.store.retry(jobs[0], "request")),
    "repair, of a unique key": Row(with_a_void_key, repair_key),
    "retry": Row(ended, lambda world, jobs: world.store.retry(jobs[0], "request")),
    "delete": Row(ended, delete),
    "wait": Row(lambda world: put_in(world, 1), lambda world, jobs: world.store.ends.announce(jobs[0])),
    "listen": Row(lambda world: None, lambda world, _: world.store.events.knows(world.store.events.listen())),
    "pause": Row(lambda world: None, lambda world, _: world.store.pause("slow", who="somebody", reason="a flood")),
    "schedule": Row(lambda world: None, lambda world, _: world.store.schedules.put(schedule_of(), "request")),
    "unschedule": Row(scheduled, unschedule),
    "hold, to pause": Row(scheduled, lambda world, _: world.store.schedules.pause("hourly", Note("somebody"))),
    "hold, to resume": Row(held, lambda world, _: world.store.schedules.resume("hourly")),
    "fire": Row(scheduled, fire),
    "repair": Row(missing_in_its_queue, repair),
    "resume": Row(paused, lambda world, _: world.store.resume()),
}


def listened_to(row: Row) -> Row:
    """Return the same, while somebody listens: each event is told once."""

    def prepare(world: World) -> Any:
        world.store.events.listen()
        return row.prepare(world)

    return Row(prepare, row.call, row.moving, row.afterwards)


_TELLING = ("enqueue", "exchange", "beat", "reconcile", "leave", "retry", "cancel, while it runs", "pause", "resume")
ROWS |= {f"{name}, listened to": listened_to(ROWS[name]) for name in (*_TELLING, "cancel, before it started")}


@pytest.fixture
def new_world(proxy: Proxy) -> Iterator[Callable[[], World]]:
    """Makes worlds, one after the other, each on an empty server behind the proxy."""
    worlds: list[World] = []

    def make() -> World:
        if worlds:
            worlds[-1].client.flushall()
        worlds.append(World(real_source(proxy.port), Retention(keep_ms=KEEP_MS)))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def left_behind(world: World, row: Row) -> dict[str, Any]:
    """Return all of Redis, without what may tell the time of a repeat."""
    data = world.snapshot()
    epoch = data.get("supervisor:alpha", {}).get("epoch", "<epoch>")
    found: dict[str, Any] = {}
    for key, value in data.items():
        name, plain = key.replace(epoch, "<epoch>"), value
        if isinstance(value, dict):
            fields = {one.replace(epoch, "<epoch>"): item for one, item in value.items()}
            plain = {one: item for one, item in fields.items() if one not in row.moving.get(name, set())}
        # Hints: one says as much as two.
        found[name] = sorted(set(plain)) if name.startswith("inbox:") else plain
    return found


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_call_whose_reply_was_lost_answers_the_same_when_it_is_repeated_and_is_done_once(
    proxy: Proxy, new_world: Callable[[], World], row: Row
) -> None:
    world = new_world()
    scene = row.prepare(world)
    answer = row.call(world, scene)
    row.afterwards(world, scene)
    expected = left_behind(world, row)

    world = new_world()
    scene = row.prepare(world)
    before = world.snapshot()
    proxy.lose_next_reply(to=b"EVAL")
    with pytest.raises(OutcomeUnknown):
        row.call(world, scene)
    assert world.snapshot() != before, "the server has not done it the first time"
    world.advance(LATER_MS)
    assert row.call(world, scene) == answer
    row.afterwards(world, scene)
    assert left_behind(world, row) == expected


def test_every_script_that_changes_something_has_a_row() -> None:
    assert {name.partition(",")[0] for name in ROWS} == WRITERS
