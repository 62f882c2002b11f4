"""What keeps jobs from running, told from what supervisors say of themselves."""

from collections.abc import Iterator

import pytest

from jobworker.api.warnings import SETTLED_MS, warnings_of
from jobworker.store.retention import Retention
from jobworker.store.roster import HeldType, Roster, RosterEntry
from tests.support.redis_source import RedisSource
from tests.support.world import World


@pytest.fixture
def world(redis_source: RedisSource) -> Iterator[World]:
    world = World(redis_source, Retention())
    yield world
    world.close()


def roster(*states: str) -> Roster:
    return Roster(tuple(RosterEntry(pid, state, 0, 0) for pid, state in enumerate(states)))


@pytest.mark.parametrize("states", [(), ("ending", "ending")])
def test_a_supervisor_without_a_worker_that_can_run_a_job_is_told_once_it_has_settled(
    world: World, states: tuple[str, ...]
) -> None:
    alpha = world.register("alpha")
    alpha.beat(roster(*states))
    world.advance(SETTLED_MS)
    assert list(warnings_of(world.store)) == []
    world.advance(1)
    # Somebody may have shot them all: that says nothing of the handlers.
    assert list(warnings_of(world.store)) == [
        "supervisor alpha has no worker that can run a job; those it had have ended; it starts new ones (see its log)"
    ]


def test_handlers_are_blamed_where_it_is_known_that_they_do_not_load(world: World) -> None:
    world.register("alpha").beat(Roster(stale="the handler code on disk does not load; the old code goes on: …"))
    world.advance(SETTLED_MS + 1)
    assert list(warnings_of(world.store)) == [
        "supervisor alpha has no worker that can run a job; mend its handlers and reload it (SIGHUP)",
        "supervisor alpha: the handler code on disk does not load; the old code goes on: …",
    ]


@pytest.mark.parametrize("state", ["starting", "spare", "idle", "busy"])
def test_one_worker_that_can_is_enough(world: World, state: str) -> None:
    alpha = world.register("alpha")
    alpha.beat(roster("ending", state))
    world.advance(SETTLED_MS + 1)
    assert list(warnings_of(world.store)) == []


@pytest.mark.parametrize(("until_in_ms", "when"), [(10_000, "at 2027-01-15T08:00:10.000Z"), (0, "next")])
def test_a_held_type_is_told_with_why_and_until_when(world: World, until_in_ms: int, when: str) -> None:
    now_ms = world.clock.now_ms
    held = HeldType("mail", "it crashes", now_ms, now_ms + until_in_ms)
    world.register("alpha").beat(Roster(held_types=(held,)))
    assert list(warnings_of(world.store)) == [
        f"supervisor alpha holds type mail since 2027-01-15T08:00:00.000Z: it crashes; it tries one job {when}"
    ]
