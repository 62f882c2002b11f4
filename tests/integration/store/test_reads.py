"""What clients read: jobs, handlers, and whether Redis takes a write."""

import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.errors import JobNotFound, StoreMisconfigured, Superseded
from jobworker.store.ids import new_job_id
from jobworker.store.job import JobRecord
from jobworker.store.states import JobState
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

DAY_MS = 86_400_000


def test_a_job_reads_as_it_was_enqueued(world: World) -> None:
    job_id = world.enqueue(type="resize", queue="images", priority=8, payload=b'{"a":1}', timeout_ms=0)
    world.advance(7)
    assert world.store.get(job_id) == JobRecord(
        now_ms=START_MS + 7,
        id=job_id,
        type="resize",
        queue="images",
        priority=8,
        status=JobState.PENDING,
        payload=b'{"a":1}',
        created_ms=START_MS,
        run_at_ms=START_MS,
        timeout_ms=0,
    )


def test_a_running_job_tells_who_has_it(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    world.advance(5)
    claim = alpha.claim_one()
    job = world.store.get(job_id)
    assert (job.status, job.owner, job.epoch, job.token) == ("running", "alpha", alpha.epoch, claim.token)
    assert (job.worker, job.started_ms, job.attempt, job.ended) == (100, START_MS + 5, 1, False)


def test_a_job_that_nobody_knows_is_not_found(world: World) -> None:
    unknown = new_job_id()
    with pytest.raises(JobNotFound, match=unknown) as missing:
        world.store.get(unknown)
    assert missing.value.job_id == unknown


def test_reading_changes_nothing(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    before = world.snapshot()
    world.store.get(job_id)
    world.store.handlers()
    world.store.pauses()
    assert world.snapshot() == before


ECHO = HandlerEntry("echo", {}, HandlerDefaults(queue="quick", timeout=None), "Says it again.", "d1")


def test_a_handler_is_listed_as_it_was_published(world: World, alpha: Supervisor) -> None:
    world.run(alpha.incarnation.publish([ECHO, HandlerEntry("noop", {"type": "null"})], 2))
    assert world.store.handlers() == {
        "echo": HandlerEntry(ECHO.type, ECHO.schema, ECHO.defaults, ECHO.description, ECHO.digest, START_MS),
        "noop": HandlerEntry("noop", {"type": "null"}, seen_ms=START_MS),
    }


def test_the_newest_registration_of_a_handler_wins(world: World, alpha: Supervisor) -> None:
    world.run(alpha.incarnation.publish([ECHO], 2))
    world.advance(10)
    world.run(world.register("beta").incarnation.publish([HandlerEntry("echo", {}, digest="d2")], 2))
    found = world.store.handlers()["echo"]
    assert (found.digest, found.seen_ms) == ("d2", START_MS + 10)


def test_a_handler_that_nobody_has_published_for_a_week_goes(world: World, alpha: Supervisor) -> None:
    world.run(world.register("beta").incarnation.publish([ECHO], 2))
    world.advance(7 * DAY_MS)
    world.run(alpha.incarnation.publish([HandlerEntry("noop", {})], 2))
    assert world.store.handlers().keys() == {"echo", "noop"}
    world.advance(1)
    world.run(alpha.incarnation.publish([HandlerEntry("noop", {})], 2))
    assert world.store.handlers().keys() == {"noop"}


NOOP = HandlerEntry("noop", {})
#: Its name is the end of another's.
OOP = HandlerEntry("oop", {})


def test_a_type_that_its_only_supervisor_no_longer_has_goes_at_once(world: World, alpha: Supervisor) -> None:
    world.run(alpha.incarnation.publish([ECHO, NOOP, OOP], 2))
    world.run(alpha.incarnation.publish([ECHO, NOOP], 2))
    assert world.store.handlers().keys() == {"echo", "noop"}
    world.run(alpha.incarnation.publish([], 2))
    assert world.store.handlers() == {}


def test_a_restart_without_a_type_takes_it_away_too(world: World, alpha: Supervisor) -> None:
    world.run(alpha.incarnation.publish([ECHO, NOOP], 2))
    alpha.leave()
    anew = world.register("alpha")
    assert world.store.handlers().keys() == {"echo", "noop"}
    world.run(anew.incarnation.publish([ECHO], 2))
    assert world.store.handlers().keys() == {"echo"}


def test_a_type_stays_while_another_living_supervisor_has_it(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    world.run(beta.incarnation.publish([NOOP], 2))
    world.run(alpha.incarnation.publish([ECHO, NOOP], 2))
    world.run(alpha.incarnation.publish([ECHO], 2))
    assert world.store.handlers().keys() == {"echo", "noop"}
    world.run(beta.incarnation.publish([], 2))
    assert world.store.handlers().keys() == {"echo"}


def test_what_a_dead_supervisor_had_keeps_no_type(world: World, alpha: Supervisor) -> None:
    world.run(world.register("beta").incarnation.publish([NOOP], 2))
    world.advance(alpha.incarnation.terms.lease_ms // 2)
    alpha.beat()
    world.run(alpha.incarnation.publish([NOOP], 2))
    world.advance(alpha.incarnation.terms.lease_ms // 2)
    world.run(alpha.incarnation.publish([], 2))
    assert world.store.handlers() == {}


def test_what_somebody_else_has_published_is_not_ours_to_take_away(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    world.run(beta.incarnation.publish([NOOP], 2))
    beta.leave()
    world.run(alpha.incarnation.publish([ECHO], 2))
    assert world.store.handlers().keys() == {"echo", "noop"}


def test_a_writable_server_gets_the_schema_and_keeps_it(world: World) -> None:
    world.store.check_writable()
    assert world.snapshot() == {"meta": {"schema": "1.0"}}
    world.client.hset(world.keys.meta, "schema", "1.9")
    world.store.check_writable()
    assert world.snapshot() == {"meta": {"schema": "1.9"}}


def test_data_of_another_major_schema_is_not_ours(world: World) -> None:
    world.client.hset(world.keys.meta, "schema", "2.0")
    with pytest.raises(StoreMisconfigured, match=r"2\.0"):
        world.store.check_writable()
    assert world.snapshot() == {"meta": {"schema": "2.0"}}


def test_the_record_follows_what_is_published(world: World, alpha: Supervisor) -> None:
    entry = HandlerEntry("echo", {}, HandlerDefaults(max_crashes=5))
    world.run(alpha.incarnation.publish([entry], 7))
    [found] = world.store.fleet.supervisors()
    assert (found.workers, found.types) == (7, {"echo": entry.fingerprint})
    assert world.snapshot()["supervisor:alpha"]["crash_budgets"] == " echo=5"


def test_who_was_superseded_publishes_nothing(world: World, alpha: Supervisor) -> None:
    world.advance(alpha.incarnation.terms.lease_ms + 1)
    world.register("alpha")
    before = world.snapshot()
    with pytest.raises(Superseded):
        world.run(alpha.incarnation.publish([ECHO], 7))
    assert world.snapshot() == before
