"""`register`: epochs, takeovers, and who may write afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from jobworker.store.errors import NameInUse, Reaped, StoreError, StoreMisconfigured, Superseded
from jobworker.store.incarnation import OldCall
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World

CALLS: dict[str, Callable[[Supervisor], object]] = {
    "exchange": lambda supervisor: supervisor.exchange(want=1),
    "beat": lambda supervisor: supervisor.beat(),
    "reconcile": lambda supervisor: supervisor.reconcile(),
    "leave": lambda supervisor: supervisor.leave(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def refuse(world: World, call: Callable[[Supervisor], object], supervisor: Supervisor, error: type[StoreError]) -> None:
    """Check that the call is refused and changes nothing at all."""
    world.enqueue()
    before = world.snapshot()
    with pytest.raises(error):
        call(supervisor)
    assert world.snapshot() == before


def test_a_first_start_writes_its_record_and_its_lease(world: World) -> None:
    alpha = world.register("alpha", lock_id="lock-1")
    assert alpha.epoch == START_MS * 1000
    assert world.snapshot() == {
        "meta": {"schema": "1.0"},
        "supervisors": {alpha.member: START_MS + LEASE_MS},
        "supervisor:alpha": {
            "epoch": str(alpha.epoch),
            "lock_id": "lock-1",
            "registration": "1",
            "lease_end": str(START_MS + LEASE_MS),
            "held_since": str(START_MS),
            "proven": "0",
            "last_call": "0",
            "last_tally": "0",
            "last_answer": "",
            "host": "host",
            "pid": "4711",
            "version": "1",
            "workers": "2",
            "queues": "",
            "lease_ms": str(LEASE_MS),
            "roster": '{"workers":[],"restarts":0,"loop_lag_ms":null,"loop_lag_most_ms":null,'
            '"held_types":[],"held_slots":[],"stale":"","stale_writes":0}',
            "crash_budgets": "",
        },
    }


def test_an_epoch_is_never_below_the_one_before_even_when_the_clock_steps_back(world: World) -> None:
    first = world.register()
    first.leave()
    world.advance(-3_600_000)
    assert world.register().epoch == first.epoch + 1


def test_an_epoch_is_not_the_one_before_plus_one_when_the_clock_is_ahead(world: World) -> None:
    """Lost writes may have taken epochs; the clock is not lost with them."""
    world.register().leave()
    world.advance(5000)
    assert world.register().epoch == world.clock.now_ms * 1000


def test_a_living_namesake_is_not_taken_over_and_nothing_changes(world: World, alpha: Supervisor) -> None:
    world.advance(4000)
    before = world.snapshot()
    with pytest.raises(NameInUse, match="name alpha is in use by pid 4711 on host host; use --name") as refused:
        world.register("alpha", lock_id="other", proofs=["not the lock it holds"])
    assert refused.value.lease_left_ms == LEASE_MS - 4000
    assert world.snapshot() == before
    assert alpha.beat().running == 0


def test_a_namesake_that_renews_stays_in_use(world: World, alpha: Supervisor) -> None:
    world.advance(LEASE_MS - 1)
    alpha.beat()
    world.advance(1)
    with pytest.raises(NameInUse):
        world.register("alpha")


def test_a_namesake_is_taken_over_when_its_lease_has_ended(world: World, alpha: Supervisor) -> None:
    world.advance(LEASE_MS)
    assert world.register("alpha").epoch > alpha.epoch


def test_a_namesake_is_taken_over_at_once_by_who_holds_its_lock(world: World) -> None:
    old = world.register("alpha", lock_id="lock-1")
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-0", "lock-1"])
    assert new.epoch == old.epoch + 1
    assert world.snapshot()["supervisor:alpha"]["proven"] == "1"
    assert world.snapshot()["supervisor:alpha"]["lock_id"] == "lock-2"


def test_a_late_copy_of_a_call_that_was_given_up_ends_nothing(world: World) -> None:
    alpha = world.register("alpha", lock_id="lock-1", number=2, proofs=["lock-1"])
    before = world.snapshot()
    for late in (1, 2):
        with pytest.raises(OldCall):
            world.register("alpha", lock_id="lock-1", number=late, proofs=["lock-1"])
    assert world.snapshot() == before
    alpha.beat()
    # Another process counts anew.
    assert world.register("alpha", lock_id="lock-2", number=1, proofs=["lock-1"]).epoch > alpha.epoch


def test_proof_counts_for_one_start_only(world: World) -> None:
    world.register("alpha", lock_id="lock-1")
    world.register("alpha", lock_id="lock-2", proofs=["lock-1"]).leave()
    world.register("alpha", lock_id="lock-3")
    assert world.snapshot()["supervisor:alpha"]["proven"] == "0"


def test_a_takeover_ends_the_old_lease_and_moves_no_job(world: World) -> None:
    old = world.register("alpha", lock_id="lock-1")
    world.enqueue()
    claim = old.claim_one()
    before = world.snapshot()
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    changed = world.changes_since(before)
    assert changed.keys() == {"supervisors", "supervisor:alpha"}
    assert changed["supervisors"] == {old.member: 0, new.member: START_MS + LEASE_MS}
    assert world.snapshot()[f"running:{old.member}"] == {claim.id: str(claim.token)}


def test_a_takeover_begins_its_calls_anew(world: World) -> None:
    old = world.register("alpha", lock_id="lock-1")
    world.enqueue()
    old.claim_one(call=7)
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    assert new.exchange(call=1).claims == []
    record = world.snapshot()["supervisor:alpha"]
    assert (record["last_call"], record["last_answer"]) == ("1", "|")


@every_call
def test_who_was_superseded_writes_nothing(world: World, call: Callable[[Supervisor], object]) -> None:
    old = world.register("alpha", lock_id="lock-1")
    world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    refuse(world, call, old, Superseded)


@every_call
def test_who_finds_its_own_past_after_lost_writes_is_not_superseded(
    world: World, call: Callable[[Supervisor], object]
) -> None:
    """The predecessor is dead: its lease, which comes back with it, must not end the process."""
    world.register("alpha", lock_id="lock-1")
    key = world.keys.supervisor("alpha")
    past: Any = world.client.dump(key)
    alpha = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    world.client.restore(key, 0, past, replace=True)
    refuse(world, call, alpha, Reaped)
    world.advance(1)
    assert world.register("alpha", lock_id="lock-2", number=2, proofs=["lock-2", "lock-1"]).epoch > alpha.epoch


@every_call
def test_who_has_left_writes_nothing(world: World, alpha: Supervisor, call: Callable[[Supervisor], object]) -> None:
    alpha.leave()
    refuse(world, call, alpha, Reaped)


@every_call
def test_who_has_no_record_writes_nothing(
    world: World, alpha: Supervisor, call: Callable[[Supervisor], object]
) -> None:
    world.client.delete(world.keys.supervisor("alpha"))
    refuse(world, call, alpha, Reaped)


@every_call
@pytest.mark.parametrize("ended", ["left", "lease over"])
def test_a_successor_that_is_gone_supersedes_nobody(
    world: World, call: Callable[[Supervisor], object], ended: str
) -> None:
    """Only a living namesake ends the process; else it may register anew."""
    old = world.register("alpha", lock_id="lock-1")
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    if ended == "left":
        new.leave()
    world.advance(LEASE_MS)
    refuse(world, call, old, Reaped)


def test_a_record_stays_as_long_as_its_supervisor(world: World, alpha: Supervisor) -> None:
    assert world.ttl_ms(world.keys.supervisor("alpha")) == -1
    alpha.leave()
    assert 0 < world.ttl_ms(world.keys.supervisor("alpha")) <= 7 * 86_400_000
    world.register("alpha")
    assert world.ttl_ms(world.keys.supervisor("alpha")) == -1


def test_data_of_another_major_schema_is_refused(world: World) -> None:
    world.client.hset(world.keys.meta, "schema", "2.0")
    before = world.snapshot()
    with pytest.raises(StoreMisconfigured, match=r"schema 2\.0, this version knows 1\.0"):
        world.register()
    assert world.snapshot() == before


def test_data_of_a_newer_minor_schema_is_ours_and_keeps_its_version(world: World) -> None:
    world.client.hset(world.keys.meta, "schema", "1.7")
    world.register()
    assert world.snapshot()["meta"]["schema"] == "1.7"
