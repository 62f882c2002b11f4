"""What a supervisor is asked: kept until it says that it is done, and gone with its incarnation."""

from typing import Any

import pytest

from jobworker.store.claims import Attempted
from jobworker.store.errors import NotRunning, SupervisorNotFound
from jobworker.store.job import Note
from jobworker.store.request import Request
from jobworker.store.roster import Roster
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World

ADA = Note("ada", "a new kernel")


def listed(world: World, supervisor: Supervisor) -> dict[str, str]:
    found: dict[str, str] = world.snapshot().get(f"requests:{supervisor.member}", {})
    return found


def stack_fields(world: World, job_id: str) -> tuple[Any, Any]:
    record = world.store.get(job_id)
    return record.stack, record.stack_ms


def test_asking_leaves_an_entry_and_a_hint_and_nothing_else(world: World, alpha: Supervisor) -> None:
    before = world.snapshot()
    world.store.control.scale("alpha", 4)
    assert world.changes_since(before) == {
        f"requests:{alpha.member}": {"scale": f"{START_MS * 1000} 4"},
        "inbox:alpha": ["request"],
    }
    assert 0 < world.ttl_ms(world.keys.inbox("alpha")) <= 60_000


def test_a_request_is_answered_by_every_beat_until_it_is_said_to_be_done(world: World, alpha: Supervisor) -> None:
    world.store.control.drain("alpha", ADA)
    # The first answers may be lost.
    answers = [alpha.beat().requests for _ in range(3)]
    (request,) = answers[0]
    assert answers == [[request]] * 3
    assert (request.kind, request.note) == ("drain", ADA)
    assert alpha.beat(Roster(), request).requests == []
    assert listed(world, alpha) == {}
    # So may the answer to the acknowledgement: a second one is harmless.
    assert alpha.beat(Roster(), request).requests == []


def test_what_was_asked_anew_is_not_done_by_what_was_done_before(world: World, alpha: Supervisor) -> None:
    world.store.control.scale("alpha", 4)
    (first,) = alpha.beat().requests
    world.advance(1)
    world.store.control.scale("alpha", 4)
    (second,) = alpha.beat(Roster(), first).requests
    assert (second.number, second == first) == (4, False)
    assert alpha.beat(Roster(), second).requests == []


def test_one_done_of_several_leaves_the_others(world: World, alpha: Supervisor) -> None:
    world.store.control.scale("alpha", 4)
    world.store.control.drain("alpha", ADA)
    scale, drain = sorted(alpha.beat().requests, key=lambda request: request.field, reverse=True)
    assert alpha.beat(Roster(), scale).requests == [drain]


def test_a_stack_is_asked_of_the_attempt_that_runs(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    assert world.store.control.stack(world.store.get(claim.id)) == START_MS
    (request,) = alpha.beat().requests
    assert (request.kind, request.job_id, request.number) == ("stack", claim.id, claim.token)


def test_a_stack_is_kept_with_the_attempt_that_holds_the_job(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.advance(7)
    before = world.snapshot()
    world.run(alpha.incarnation.keep_stack(Attempted(claim.id, claim.token), "Thread 1"))
    kept = {"stack": "Thread 1", "stack_ms": str(START_MS + 7), "no_stack": ""}
    assert world.changes_since(before) == {f"job:{claim.id}": kept}


def test_where_there_is_no_stack_the_reason_is_kept(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.run(alpha.incarnation.keep_stack(Attempted(claim.id, claim.token), "", "it is blocked"))
    record = world.store.get(claim.id)
    assert (record.stack, record.no_stack) == ("", "it is blocked")


def test_who_lost_the_job_keeps_no_stack_with_it(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    first = alpha.claim_one()
    alpha.settle(first, Outcome.CRASHED)
    world.run(alpha.incarnation.keep_stack(Attempted(first.id, first.token), "too late"))
    again = alpha.claim_one()
    world.run(alpha.incarnation.keep_stack(Attempted(again.id, first.token), "of the attempt before"))
    assert stack_fields(world, again.id) == (None, None)
    alpha.settle(again, Outcome.SUCCEEDED, result=b"1")
    world.run(alpha.incarnation.keep_stack(Attempted(again.id, again.token), "too late"))
    assert stack_fields(world, again.id) == (None, None)


def test_the_end_of_an_incarnation_takes_what_it_was_asked_along(world: World, alpha: Supervisor) -> None:
    world.store.control.drain("alpha", ADA)
    alpha.leave()
    assert f"requests:{alpha.member}" not in world.snapshot()
    with pytest.raises(SupervisorNotFound):
        world.store.control.scale("alpha", 2)
    anew = world.register("alpha")
    assert anew.beat().requests == []


def test_who_is_reaped_loses_what_it_was_asked(world: World, alpha: Supervisor) -> None:
    heir = world.register("heir")
    for _ in range(10):
        world.advance(LEASE_MS // 5)
        alpha.beat()
        heir.beat()
    world.store.control.drain("alpha", ADA)
    for _ in range(6):
        world.advance(LEASE_MS // 5)
        heir.beat()
    assert "supervisor:heir" in world.snapshot()
    assert alpha.member not in world.snapshot()["supervisors"]
    assert f"requests:{alpha.member}" not in world.snapshot()


def test_of_a_supervisor_whose_lease_has_ended_nothing_is_asked(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    record = world.store.get(alpha.claim_one().id)
    world.advance(LEASE_MS)
    before = world.snapshot()
    with pytest.raises(SupervisorNotFound):
        world.store.control.drain("alpha", ADA)
    with pytest.raises(NotRunning, match="its supervisor is dead"):
        world.store.control.stack(record)
    assert world.snapshot() == before


def test_an_earlier_incarnation_of_a_name_is_not_asked_for_a_stack(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    record = world.store.get(alpha.claim_one().id)
    alpha.leave()
    anew = world.register("alpha")
    with pytest.raises(NotRunning):
        world.store.control.stack(record)
    assert listed(world, anew) == {}


def test_a_request_tells_what_is_wanted() -> None:
    request = Request("stack:0198", "1700000000000000 42")
    assert (request.kind, request.job_id, request.number) == ("stack", "0198", 42)
