"""`beat`: leases, the flags of cancelled jobs, when there may be something to reap."""

import msgspec
import pytest

from jobworker.store.claims import Attempted, Cancel
from jobworker.store.roster import Roster, RosterEntry
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World


def test_a_beat_renews_the_lease_by_a_full_term(world: World, alpha: Supervisor) -> None:
    world.advance(3000)
    before = world.snapshot()
    answer = alpha.beat()
    assert (answer.lease_ms, answer.running, answer.reap_in_ms, answer.reaped) == (LEASE_MS, 0, None, 0)
    lease_end = START_MS + 3000 + LEASE_MS
    assert world.changes_since(before) == {
        "supervisor:alpha": {"lease_end": str(lease_end)},
        "supervisors": {alpha.member: lease_end},
        "meta": {"last_beat": str(START_MS + 3000), "reap_after": str(lease_end)},
    }


def test_a_beat_leaves_the_roster_as_it_is_and_the_next_one_another(world: World, alpha: Supervisor) -> None:
    worker = RosterEntry(pid=7, state="idle", started_ms=START_MS, jobs=2, rss_bytes=4096, cpu_seconds=0.5)
    for roster in (Roster((worker,), restarts=1), Roster()):
        alpha.beat(roster)
        assert world.snapshot()["supervisor:alpha"]["roster"] == msgspec.json.encode(roster).decode()


def test_a_beat_just_in_time_holds_the_lease_without_a_gap(world: World, alpha: Supervisor) -> None:
    world.advance(LEASE_MS - 1)
    alpha.beat()
    assert world.snapshot()["supervisor:alpha"]["held_since"] == str(START_MS)


def test_a_beat_after_the_lease_has_ended_renews_it_and_begins_a_new_term(world: World, alpha: Supervisor) -> None:
    world.advance(LEASE_MS)
    alpha.beat()
    record = world.snapshot()["supervisor:alpha"]
    assert record["held_since"] == str(START_MS + LEASE_MS)
    assert record["lease_end"] == str(START_MS + 2 * LEASE_MS)


def test_a_beat_counts_what_is_in_the_running_index(world: World, alpha: Supervisor) -> None:
    for _ in range(3):
        world.enqueue()
    alpha.claim(2)
    assert alpha.beat().running == 2


def test_a_flag_is_answered_by_every_beat_until_the_attempt_is_settled(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.enqueue()
    flagged, other = alpha.claim(2)
    assert alpha.beat().cancels == []
    world.store.cancel(flagged.id)
    for _ in range(3):
        assert alpha.beat().cancels == [Cancel(Attempted(flagged.id, flagged.token))]
    alpha.settle(other, Outcome.SUCCEEDED)
    assert len(alpha.beat().cancels) == 1
    alpha.settle(flagged, Outcome.CANCELLED)
    assert alpha.beat().cancels == []


def test_a_beat_answers_flags_of_its_own_incarnation_only(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(claim.id)
    assert beta.beat().cancels == []


def test_a_beat_tells_when_the_next_foreign_lease_ends(world: World, alpha: Supervisor) -> None:
    beta, gamma = world.register("beta"), world.register("gamma")
    for _ in range(6):
        world.advance(3000)
        for supervisor in (gamma, alpha, beta):
            supervisor.beat()
    world.advance(1000)
    beta.beat()
    assert alpha.beat().reap_in_ms == LEASE_MS - 1000
    assert gamma.beat().reap_in_ms == LEASE_MS
    world.advance(500)
    assert alpha.beat().reap_in_ms == LEASE_MS - 500


@pytest.mark.parametrize("held_ms", [0, 4000])
def test_a_beat_before_a_full_term_tells_when_we_may_reap(world: World, alpha: Supervisor, held_ms: int) -> None:
    world.advance(LEASE_MS - 2000)
    alpha.beat()
    world.advance(1000)
    beta = world.register("beta")
    beta.beat()
    world.advance(held_ms)
    alpha.beat()
    assert beta.beat().reap_in_ms == max(LEASE_MS, LEASE_MS - held_ms)


def test_a_beat_tells_how_many_others_hold_a_lease(world: World, alpha: Supervisor) -> None:
    assert alpha.beat().others == 0
    world.register("beta")
    gamma = world.register("gamma")
    assert alpha.beat().others == 2
    gamma.leave()
    assert alpha.beat().others == 1
    world.advance(LEASE_MS)
    assert alpha.beat().others == 0
