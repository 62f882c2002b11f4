"""Reaping: a dead supervisor's jobs move on, a living one's never do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobworker.store.claims import Attempted
from jobworker.store.errors import Reaped
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Terms
from jobworker.store.job import NewJob
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import BEAT_MS, LEASE_MS, Supervisor, World, settling


def orphan(world: World, count: int = 1, **options: Any) -> tuple[Supervisor, Supervisor]:
    """Return a supervisor that died with jobs, its lease just over, and one that has lived long beside it."""
    dead, heir = world.register("dead"), world.register("heir")
    die(world, count, dead, heir, **options)
    return dead, heir


def die(world: World, count: int, dead: Supervisor, *heirs: Supervisor, **options: Any) -> None:
    """Let the lease of one supervisor end over its jobs, while others have lived long beside it."""
    world.live(2 * LEASE_MS, dead, *heirs)
    world.store.enqueue([NewJob(**{"id": new_job_id(), "type": "echo", **options}) for _ in range(count)])
    assert len(dead.claim(count)) == count
    world.live(LEASE_MS - BEAT_MS, *heirs)
    world.advance(BEAT_MS)


def running(world: World, supervisor: Supervisor) -> int:
    return len(world.snapshot().get(f"running:{supervisor.member}", {}))


def test_a_dead_supervisors_job_is_put_back_as_lost(world: World) -> None:
    dead, heir = orphan(world)
    (job_id,) = world.snapshot()[f"running:{dead.member}"]
    before = world.snapshot()
    now_ms = world.clock.now_ms
    answer = heir.beat()
    assert (answer.reaped, answer.reap_in_ms) == (1, None)
    silent = "on host host it has been silent for 15.0 s, and its lease has ended"
    error = json.dumps({"type": "lost", "message": f"the supervisor dead was lost: {silent}"}, separators=(",", ":"))
    detail = f'{{"error":{error}}}'
    claimed_ms = START_MS + 2 * LEASE_MS
    assert world.changes_since(before) == {
        "supervisor:dead": {"lease_end": "0"},
        "supervisor:heir": {"lease_end": str(now_ms + LEASE_MS)},
        "supervisors": {heir.member: now_ms + LEASE_MS, dead.member: None},
        "meta": {"last_beat": str(now_ms)},
        f"running:{dead.member}": None,
        "ready:default": {job_id: 5 * 2**44 + 1},
        f"job:{job_id}": {
            "status": "pending",
            "crashes": "1",
            "attempts_kept": "1",
            "attempt:1": f"lost 1 {claimed_ms} {now_ms} dead {dead.epoch} 100 {detail}",
            "error": error,
        },
    }
    assert heir.claim_one().attempt == 2


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, "failed"),
        ({"max_crashes": 2}, "pending"),
        ({"type": "rich"}, "pending"),
        ({"type": "declares.nothing"}, "pending"),
        ({"type": "ech"}, "pending"),
    ],
)
def test_a_job_without_a_budget_of_its_own_is_lost_by_the_one_that_its_supervisor_declares(
    world: World, options: dict[str, Any], status: str
) -> None:
    dead, heir = world.register("dead", crash_budgets=" rich=12 echo=1"), world.register("heir")
    die(world, 1, dead, heir, **options)
    (job_id,) = world.snapshot()[f"running:{dead.member}"]
    heir.beat()
    assert world.status(job_id) == status


def test_a_lease_that_has_not_ended_is_not_reaped(world: World) -> None:
    dead, heir = orphan(world)
    world.advance(-1)
    answer = heir.beat()
    assert (answer.reaped, answer.reap_in_ms) == (0, 1)
    assert running(world, dead) == 1


def test_who_was_reaped_writes_nothing_more(world: World) -> None:
    dead, heir = orphan(world)
    (job_id,) = world.snapshot()[f"running:{dead.member}"]
    heir.beat()
    before = world.snapshot()
    late: list[Callable[[], object]] = [dead.beat, dead.exchange, dead.reconcile, dead.leave]
    for call in late:
        with pytest.raises(Reaped):
            call()
    assert world.snapshot() == before
    assert world.status(job_id) == "pending"


def test_the_record_of_who_was_reaped_goes_after_a_week(world: World) -> None:
    _, heir = orphan(world)
    heir.beat()
    assert 0 < world.ttl_ms(world.keys.supervisor("dead")) <= 7 * 86_400_000


def test_a_supervisor_that_has_not_held_its_lease_for_a_full_term_reaps_nobody(world: World) -> None:
    dead, heir = orphan(world)
    world.advance(-1)
    heir.beat()
    newcomer = world.register("newcomer")
    world.live(LEASE_MS - BEAT_MS, newcomer)
    world.advance(BEAT_MS - 1)
    answer = newcomer.beat()
    assert (answer.reaped, answer.reap_in_ms) == (0, 1)
    world.advance(1)
    assert newcomer.beat().reaped == 1
    assert running(world, dead) == 0


def test_a_gap_in_ones_own_lease_begins_the_term_anew(world: World) -> None:
    dead, heir = orphan(world)
    other = world.register("other")
    world.live(LEASE_MS - BEAT_MS, other)
    world.advance(BEAT_MS)
    assert world.snapshot()["supervisor:heir"]["lease_end"] == str(world.clock.now_ms - BEAT_MS)
    assert heir.beat().reaped == 0
    world.live(LEASE_MS - BEAT_MS, heir)
    world.advance(BEAT_MS)
    assert heir.beat().reaped == 1
    assert running(world, dead) == 0


def test_after_a_silence_of_everybody_nobody_is_reaped_for_a_full_term(world: World) -> None:
    """Leases of the living ended meanwhile as well: they get the time to come back."""
    first, second = world.register("first"), world.register("second", terms=Terms(lease_ms=2 * LEASE_MS))
    world.live(2 * LEASE_MS, first, second)
    world.enqueue()
    first.claim_one()
    world.advance(LEASE_MS + 1)
    assert second.beat().reaped == 0
    assert first.beat().running == 1
    world.live(3 * LEASE_MS, first, second)
    assert running(world, first) == 1


def test_after_a_silence_who_does_not_come_back_is_reaped_a_term_later(world: World) -> None:
    dead, heir = orphan(world)
    world.advance(LEASE_MS // 2 + 1 - BEAT_MS)
    assert heir.beat().reap_in_ms == LEASE_MS
    world.live(LEASE_MS - BEAT_MS, heir)
    world.advance(BEAT_MS)
    assert heir.beat().reaped == 1
    assert running(world, dead) == 0


def test_a_silence_of_half_a_lease_is_not_one(world: World) -> None:
    _, heir = orphan(world)
    world.advance(-BEAT_MS)
    heir.beat()
    world.advance(LEASE_MS // 2)
    assert heir.beat().reaped == 1


def test_a_step_of_the_clock_reaps_nobody(world: World) -> None:
    first, second = world.register("first"), world.register("second")
    world.live(2 * LEASE_MS, first, second)
    world.enqueue()
    first.claim_one()
    world.advance(3_600_000)
    assert second.beat().reaped == 0
    world.live(2 * LEASE_MS, first, second)
    assert running(world, first) == 1


def test_with_proof_of_death_earlier_epochs_of_the_name_are_reaped_at_once(world: World) -> None:
    old = world.register("alpha", lock_id="lock-1")
    world.enqueue()
    old.claim_one()
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    answer = new.beat()
    assert (answer.reaped, answer.reap_in_ms) == (1, None)
    assert new.claim_one().attempt == 2


def test_with_proof_of_death_of_one_name_no_other_name_is_reaped(world: World) -> None:
    stranger, old = world.register("stranger"), world.register("alpha", lock_id="lock-1")
    world.enqueue()
    stranger.claim_one()
    world.advance(1)
    old.beat()
    new = world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    world.live(2 * BEAT_MS, new)
    world.advance(LEASE_MS - 2 * BEAT_MS - 1)
    assert new.beat().reaped == 0
    assert running(world, stranger) == 1


def test_without_proof_earlier_epochs_of_the_name_wait_for_the_full_term(world: World) -> None:
    old = world.register("alpha")
    world.enqueue()
    old.claim_one()
    world.advance(LEASE_MS)
    new = world.register("alpha")
    assert new.beat().reap_in_ms == LEASE_MS
    world.live(LEASE_MS - BEAT_MS, new)
    assert running(world, old) == 1
    world.advance(BEAT_MS)
    assert new.beat().reaped == 1


def test_a_superseded_epoch_is_reaped_by_anybody_who_may(world: World) -> None:
    old, heir = world.register("alpha", lock_id="lock-1"), world.register("heir")
    world.live(2 * LEASE_MS, old, heir)
    world.enqueue()
    old.claim_one()
    world.register("alpha", lock_id="lock-2", proofs=["lock-1"])
    assert heir.beat().reaped == 1
    assert "supervisor:alpha" in world.snapshot()
    assert world.snapshot()["supervisor:alpha"]["lease_end"] != "0"


def test_reaping_goes_in_steps_of_fifty_that_anyone_goes_on_with(world: World) -> None:
    dead, heir, other = (world.register(name) for name in ("dead", "heir", "other"))
    die(world, 120, dead, heir, other)
    answer = heir.beat()
    assert (answer.reaped, answer.reap_in_ms, running(world, dead)) == (50, 0, 70)
    answer = other.beat()
    assert (answer.reaped, answer.reap_in_ms, running(world, dead)) == (50, 0, 20)
    assert heir.beat().reaped == 20
    assert world.snapshot()["supervisors"].keys() == {heir.member, other.member}
    assert len(world.order_of()) == 120


def test_the_first_step_of_reaping_ends_the_epoch_before_the_others_move_a_job(world: World) -> None:
    """Who comes back between two steps finds itself reaped, though half of its jobs are still in its index."""
    dead, heir = orphan(world, 60)
    assert heir.beat().reaped == 50
    assert running(world, dead) == 10
    (job_id, token), *_ = world.snapshot()[f"running:{dead.member}"].items()
    before = world.snapshot()
    for call in (dead.beat, dead.leave, dead.reconcile, lambda: dead.exchange(want=5)):
        with pytest.raises(Reaped):
            call()
    assert world.snapshot() == before
    again = world.register("dead")
    assert again.settle(Attempted(job_id, int(token)), Outcome.SUCCEEDED) == "stale"
    assert heir.beat().reaped == 10


def test_two_that_died_together_are_reaped_by_two_beats_in_a_row(world: World) -> None:
    first, second, heir = (world.register(name) for name in ("first", "second", "heir"))
    world.live(2 * LEASE_MS, first, second, heir)
    for supervisor in (first, second):
        world.enqueue()
        supervisor.claim_one()
    world.live(LEASE_MS - BEAT_MS, heir)
    world.advance(BEAT_MS)
    answer = heir.beat()
    assert (answer.reaped, answer.reap_in_ms) == (1, 0)
    answer = heir.beat()
    assert (answer.reaped, answer.reap_in_ms) == (1, None)


def test_being_lost_spends_crashes_and_ends_as_a_crash_loop(world: World) -> None:
    _, heir = orphan(world, max_attempts=1, max_crashes=1)
    heir.beat()
    (job_id,) = world.snapshot()["ended:failed"]
    job = world.store.get(job_id)
    assert (job.reason, job.crashes, job.attempts[0].outcome) == ("crash_loop", 1, Outcome.LOST)


def test_a_lost_job_without_a_budget_goes_by_the_reapers_terms(world: World) -> None:
    dead = world.register("dead")
    heir = world.register("heir", terms=Terms(lease_ms=LEASE_MS, max_crashes=1))
    world.live(2 * LEASE_MS, dead, heir)
    world.enqueue()
    dead.claim_one()
    world.live(LEASE_MS - BEAT_MS, heir)
    world.advance(BEAT_MS)
    heir.beat()
    assert len(world.snapshot()["ended:failed"]) == 1


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(world: World) -> None:
    dead, heir = orphan(world)
    (job_id,) = world.snapshot()[f"running:{dead.member}"]
    world.store.cancel(job_id)
    heir.beat()
    assert world.status(job_id) == "cancelled"
    assert f"cancels:{dead.member}" not in world.snapshot()


def test_a_result_that_arrives_before_the_reaper_counts(world: World) -> None:
    dead, heir = orphan(world)
    ((job_id, token),) = world.snapshot()[f"running:{dead.member}"].items()
    assert dead.exchange(settling(Attempted(job_id, int(token)), Outcome.SUCCEEDED), want=1).words == ["succeeded"]
    assert heir.beat().reaped == 0
    assert world.status(job_id) == "succeeded"


def test_an_index_entry_that_no_job_stands_behind_is_dropped(world: World) -> None:
    dead, heir = orphan(world)
    world.client.hset(world.keys.running("dead", dead.epoch), new_job_id(), 1)
    assert heir.beat().reaped == 2
    assert f"running:{dead.member}" not in world.snapshot()


def test_a_lost_attempt_says_whose_lease_ended_where_and_how_long_it_was_silent(world: World) -> None:
    dead, heir = world.register("dead", host='evil"\\}\n'), world.register("heir")
    die(world, 1, dead, heir)
    (job_id,) = world.snapshot()[f"running:{dead.member}"]
    heir.beat()
    record = world.store.get(job_id)
    (attempt,) = record.attempts
    assert attempt.detail.error is not None
    assert attempt.detail.error.message == (
        "the supervisor dead was lost: on host evil???? it has been silent for 15.0 s, and its lease has ended"
    )
    assert attempt.detail.killed_by is None
    assert record.error == attempt.detail.error


def test_a_job_whose_supervisors_name_was_taken_over_says_so(world: World) -> None:
    world.enqueue()
    dead = world.register("alpha", lock_id="old")
    claim = dead.claim_one()
    heir = world.register("alpha", lock_id="new", proofs=["old"])
    assert heir.beat().reaped == 1
    (attempt,) = world.store.get(claim.id).attempts
    assert attempt.detail.error is not None
    assert attempt.detail.error.message == (
        "the supervisor alpha was lost: it has ended, and a successor has taken its name"
    )
