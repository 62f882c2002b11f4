"""What happens is told while somebody listens, and else costs a look."""

import pytest

from jobworker.store.ids import new_job_id
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World


@pytest.fixture
def alpha(world: World) -> Supervisor:
    return world.register("alpha")


def told(world: World, position: str) -> list[tuple[str, str | None, str | None]]:
    return [(event.event, event.id, event.status) for event in world.store.events.after(position)]


def test_nothing_is_told_while_nobody_listens(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.store.pause(who="somebody")
    assert not {"events", "events_wanted"} & world.snapshot().keys()


def test_a_job_tells_of_its_life(world: World, alpha: Supervisor) -> None:
    position = world.store.events.listen()
    job_id = world.enqueue(type="mail", queue="slow")
    alpha.settle(alpha.claim_one(), Outcome.CRASHED)
    claim = alpha.claim_one()
    world.store.cancel(job_id)
    world.store.cancel(job_id)
    alpha.settle(claim, Outcome.CANCELLED)
    world.store.retry(job_id, "once")
    world.store.retry(job_id, "once")
    assert told(world, position) == [
        ("accepted", job_id, "pending"),
        ("started", job_id, "running"),
        ("returned", job_id, "pending"),
        ("started", job_id, "running"),
        ("cancelling", job_id, "running"),
        ("ended", job_id, "cancelled"),
        ("returned", job_id, "pending"),
    ]
    started = world.store.events.after(position)[3]
    assert (started.type, started.queue, started.attempt) == ("mail", "slow", 2)
    assert started.ms > 10**12


def test_an_end_without_a_start_and_an_attempt_that_waits_are_told(world: World, alpha: Supervisor) -> None:
    position = world.store.events.listen()
    expiring, failing = (
        world.enqueue(expires_at_ms=world.clock.now_ms + 1000, priority=1),
        world.enqueue(max_attempts=2),
    )
    alpha.settle(alpha.claim_one(), Outcome.RAISED, delay_ms=60_000)
    world.advance(1001)
    alpha.exchange()
    assert told(world, position)[-2:] == [("returned", failing, "scheduled"), ("ended", expiring, "expired")]


def test_a_pause_is_told_once_and_its_end_too(world: World) -> None:
    position = world.store.events.listen()
    for _ in range(2):
        world.store.pause("slow", who="somebody")
    for _ in range(2):
        world.store.resume("slow")
    world.store.pause(who="somebody")
    found = [(event.event, event.queue) for event in world.store.events.after(position)]
    assert found == [("paused", "slow"), ("resumed", "slow"), ("paused", "*")]


def test_a_repeated_request_is_no_second_event(world: World) -> None:
    position = world.store.events.listen()
    job_id = new_job_id()
    world.enqueue(id=job_id)
    world.enqueue(id=job_id)
    assert told(world, position) == [("accepted", job_id, "pending")]


def test_who_listens_on_sees_no_gap_and_who_begins_anew_does(world: World) -> None:
    first = world.store.events.listen()
    assert world.store.events.listen() == first
    world.client.delete(world.keys.events_wanted)
    world.enqueue()
    second = world.store.events.listen()
    assert told(world, first) == [("gap", None, None)]
    assert second == world.store.events.after(first)[0].event_id


def test_only_what_is_in_the_stream_is_known(world: World) -> None:
    position = world.store.events.listen()
    assert world.store.events.knows(position)
    for unknown in ("0-1", "", "-", "+", "1", f"{2**64}-0", "x-0"):
        assert not world.store.events.knows(unknown)


def test_what_has_been_trimmed_before_it_was_read_is_a_gap(world: World) -> None:
    position = world.store.events.listen()
    for _ in range(600):
        world.client.xadd(world.keys.events, {"event": "paused", "queue": "slow"})
    world.client.xtrim(world.keys.events, maxlen=550, approximate=False)
    page = world.store.events.after(position)
    assert [event.event for event in page[:2]] == ["gap", "paused"]
    assert len(page) == 501
    assert len(world.store.events.after(page[-1].event_id)) == 50
