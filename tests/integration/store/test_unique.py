"""Unique keys: one job with a key waits or runs, and its end lets go of it."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobworker.store.claims import Claim
from jobworker.store.errors import JobNotFound, NotUnique, WrongState
from jobworker.store.flaws import Flaw, Kind
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.ids import new_job_id
from jobworker.store.inspection import Inspection
from jobworker.store.job import NewJob
from jobworker.store.repair import Mending
from jobworker.store.retention import Retention
from jobworker.store.states import JobState, Outcome
from jobworker.store.unique import UniqueKey
from tests.support.redis_source import fake_source
from tests.support.world import Supervisor, World

KEY = UniqueKey.of("customer 42")
STRICT = UniqueKey.of("customer 42", "reject")


def new_job(**options: Any) -> NewJob:
    fields: dict[str, Any] = {"id": new_job_id(), "type": "echo", "unique": KEY, **options}
    return NewJob(**fields)


def submit(world: World, **options: Any) -> Acceptance:
    [accepted] = world.store.enqueue([new_job(**options)])
    return accepted


def holder(world: World) -> str | None:
    return world.snapshot().get(f"unique:{KEY.digest}")


def test_a_second_job_with_the_key_is_the_first_one_as_it_is_now(world: World, alpha: Supervisor) -> None:
    first = submit(world, queue="slow", priority=7)
    assert not first.existing
    before = world.snapshot()
    assert submit(world, type="other", tags=("new",)) == Acceptance(
        first.id, JobState.PENDING, "echo", "slow", 7, existing=True
    )
    assert world.snapshot() == before
    alpha.claim_one()
    assert submit(world).status == "running"


def test_a_second_job_is_rejected_if_it_wants_that(world: World) -> None:
    first = submit(world, delay_ms=1000)
    before = world.snapshot()
    with pytest.raises(NotUnique, match=f"{first.id} .* scheduled"):
        world.store.enqueue([new_job(unique=None), new_job(unique=STRICT)])
    assert world.snapshot() == before


def test_jobs_of_one_call_are_held_to_it_too(world: World) -> None:
    first, second = world.store.enqueue([new_job(), new_job()])
    assert second == Acceptance(first.id, JobState.PENDING, "echo", "default", 5, existing=True)
    other = UniqueKey.of("other", "reject")
    with pytest.raises(NotUnique):
        world.store.enqueue([new_job(unique=other), new_job(unique=other)])


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED])
def test_the_end_of_a_job_lets_go_of_its_key(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    first = submit(world, max_attempts=1)
    alpha.settle(alpha.claim_one(), outcome)
    assert world.store.get(first.id).ended
    assert holder(world) is None
    assert not submit(world).existing


def test_a_cancelled_job_lets_go_of_its_key(world: World) -> None:
    world.store.cancel(submit(world).id)
    assert holder(world) is None


def test_a_job_that_has_expired_unseen_holds_nothing_and_its_end_takes_nothing(world: World, alpha: Supervisor) -> None:
    submit(world, expires_at_ms=world.clock.now_ms + 10)
    world.advance(11)
    second = submit(world)
    assert not second.existing
    alpha.sweep()
    alpha.claim_one()
    assert holder(world) == second.id


def test_a_key_is_remembered_by_its_request_before_it_is_unique(world: World) -> None:
    request = IdempotencyKey.of("4711", b"{}", 60_000)
    first = submit(world)
    again = submit(world, key=request)
    assert again.existing
    world.store.cancel(first.id)
    assert submit(world, key=request) == again


def test_a_retry_takes_the_key_again_or_is_refused(world: World) -> None:
    first = submit(world)
    world.store.cancel(first.id)
    world.store.retry(first.id)
    assert holder(world) == first.id
    world.store.cancel(first.id)
    second = submit(world)
    before = world.snapshot()
    with pytest.raises(NotUnique, match=second.id):
        world.store.retry(first.id)
    assert world.snapshot() == before
    world.store.delete(first.id)
    assert holder(world) == second.id


def test_doctor_finds_and_removes_a_key_whose_job_is_gone_or_has_ended(world: World) -> None:
    live, gone = submit(world), submit(world, unique=UniqueKey.of("gone"))
    done = submit(world, unique=UniqueKey.of("done"))
    world.store.cancel(done.id)
    world.client.delete(world.keys.job(gone.id))
    world.client.set(world.keys.unique(UniqueKey.of("done").digest), done.id)
    inspection = Inspection(world.client, world.keys, world.terms.retention)
    digests = {UniqueKey.of(key).digest for key in ("gone", "done")}
    flaws = [flaw for flaw in inspection.audit(None).flaws if flaw.kind is Kind.VOID]
    assert {flaw.name for flaw in flaws} == digests
    sound = Flaw(Kind.VOID, KEY.digest, f"unique:{KEY.digest}")
    mended = [one.mending for one in inspection.repair([*flaws, sound])]
    assert mended == [Mending.REMOVED, Mending.REMOVED, Mending.AGREES]
    assert holder(world) == live.id


STEPS = ("submit", "claim", "succeed", "crash", "cancel", "retry", "delete", "sweep", "wait")


class Play:
    """One world in which jobs with the same key come, run and end in any order."""

    def __init__(self) -> None:
        self.world = World(fake_source(), Retention())
        self.alpha = self.world.register("alpha")
        self.ids: list[str] = []
        self.claims: list[Claim] = []

    def step(self, name: str, number: int) -> None:
        if name == "submit":
            self.submit(expires_at_ms=self.world.clock.now_ms + 5 if number == 0 else None, delay_ms=number % 2)
        elif name == "claim":
            self.claims += self.alpha.exchange(want=1).claims
        elif name in ("succeed", "crash") and self.claims:
            self.alpha.settle(self.claims.pop(), Outcome.SUCCEEDED if name == "succeed" else Outcome.CRASHED)
        elif name in ("cancel", "retry", "delete") and self.ids:
            with suppress(JobNotFound, WrongState, NotUnique):
                getattr(self.world.store, name)(self.ids[number % len(self.ids)])
        elif name == "sweep":
            self.alpha.sweep()
        elif name == "wait":
            self.world.advance(3)

    def submit(self, **options: Any) -> None:
        alive = self.alive()
        accepted = submit(self.world, **options)
        assert accepted.existing == bool(alive)
        if alive:
            assert accepted.id == alive[0]
        else:
            self.ids.append(accepted.id)

    def alive(self) -> list[str]:
        found: list[str] = []
        for job_id in self.ids:
            with suppress(JobNotFound):
                found += [] if self.world.store.get(job_id).ended else [job_id]
        return found


# How long one takes says nothing where others work.
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), max_size=25))
def test_a_key_is_never_stuck_and_never_held_by_two(steps: list[tuple[str, int]]) -> None:
    play = Play()
    for name, number in steps:
        play.step(name, number)
        assert len(play.alive()) <= 1
    # Whoever comes is told of the one there is, and is taken if there is none.
    play.submit()
    play.world.close()
