"""The exchange: one call at a time, nothing claimed that may not be, nothing forgotten that ended."""

from collections.abc import Iterator

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.claims import Attempted, Wanted
from jobworker.store.errors import Reaped, StoreError, StoreFull, StoreMisconfigured, StoreUnavailable, WritesRefused
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_BATCH_BYTES, MAX_BATCH_JOBS
from jobworker.store.states import Outcome
from tests.support.claims import a_claim
from tests.unit.supervisor.exchange_scene import Scene
from tests.unit.supervisor.running import Running


@pytest.fixture
def scene(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    scene = Scene(running, monkeypatch)
    yield scene
    if scene.running is not None:
        scene.running.cancel()


def test_it_agrees_with_redis_before_its_first_claim(scene: Scene) -> None:
    scene.idle = [7]
    scene.start()
    assert scene.redis.calls == [("beat", 0), ("reconcile", 1), ("exchange", 2)]


def test_it_claims_for_every_idle_worker_and_hands_out(scene: Scene) -> None:
    scene.idle = [7, 8, 9]
    scene.redis.claimable = [a_claim(token=1), a_claim(token=2)]
    scene.start()
    assert scene.redis.wanted == [3]
    assert [claim.token for claim in scene.desk.handed] == [1, 2]
    assert scene.stayed_idle == 1
    assert scene.exchange.wants_more()


def test_when_all_got_a_job_hints_are_of_no_use(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.claimable = [a_claim(token=1)]
    scene.start()
    assert not scene.exchange.wants_more()
    assert scene.stayed_idle == 0


def test_with_nothing_to_settle_and_nobody_idle_nobody_is_asked(scene: Scene) -> None:
    scene.start()
    scene.exchange.poke()
    scene.turn()
    assert scene.redis.kinds == ["beat", "reconcile"]


def test_what_ends_while_a_call_is_open_goes_with_the_next_in_one_batch(scene: Scene) -> None:
    scene.start()
    scene.redis.answering.clear()
    scene.settle(1)
    scene.turn()
    scene.settle(2, 3, 4)
    scene.turn()
    assert scene.redis.kinds.count("exchange") == 1
    scene.redis.answering.set()
    scene.turn()
    assert scene.redis.batches == [1, 3]
    assert [settle.token for settle in scene.redis.settled] == [1, 2, 3, 4]
    assert scene.exchange.unsettled == 0


def test_a_call_settles_and_claims_no_more_than_the_limits(scene: Scene) -> None:
    scene.idle = list(range(MAX_BATCH_JOBS + 5))
    scene.start()
    scene.settle(*range(MAX_BATCH_JOBS + 1))
    scene.turn()
    assert scene.redis.batches == [0, MAX_BATCH_JOBS, 1]
    assert max(scene.redis.wanted) == MAX_BATCH_JOBS


def test_large_results_are_spread_over_calls_and_one_too_large_goes_alone(scene: Scene) -> None:
    scene.start()
    scene.redis.answering.clear()
    scene.settle(0)
    scene.turn()
    scene.settle(1, 2, result=b"x" * (MAX_BATCH_BYTES * 2 // 3))
    scene.settle(3, result=b"x" * (MAX_BATCH_BYTES + 1))
    scene.settle(4)
    scene.redis.answering.set()
    scene.turn()
    assert scene.redis.batches == [1, 1, 1, 1, 1]


def test_after_an_error_it_reconciles_and_lists_all_that_runs_and_all_that_ended(scene: Scene) -> None:
    scene.start()
    scene.redis.failures = [StoreUnavailable()]
    scene.desk.running = [Attempted("job-9", 9)]
    scene.settle(1)
    scene.until(lambda: scene.exchange.unsettled == 0)
    assert scene.redis.calls[2:] == [("exchange", 2), ("beat", 0), ("reconcile", 3), ("exchange", 4)]
    assert scene.redis.held == [Attempted("job-9", 9), Attempted("job-1", 1)]
    assert [settle.token for settle in scene.redis.settled] == [1]


def test_a_call_that_fails_after_a_day_of_failures_is_sent_again_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobworker.supervisor.exchange.RETRY", Backoff(0.001, 2.0, 0.002, jitter=False))
    scene.start()
    scene.exchange._failures = 86_400
    scene.redis.failures = [StoreUnavailable()]
    scene.settle(1)
    scene.until(lambda: scene.exchange.unsettled == 0)
    assert scene.exchange._failures == 0


def test_a_failing_reconcile_is_sent_again_under_the_next_number(scene: Scene) -> None:
    scene.redis.failures = [StoreUnavailable()] * 3
    scene.idle = [7]
    scene.start()
    scene.until(lambda: scene.redis.wanted)
    calls = scene.redis.calls
    assert [number for kind, number in calls if kind == "reconcile"][-1] == calls[-1][1] - 1
    assert len({number for kind, number in calls if kind != "beat"}) == sum(kind != "beat" for kind, _ in calls)


def test_what_is_not_ours_any_more_is_dropped_and_its_result_with_it(scene: Scene) -> None:
    scene.start()
    scene.redis.failures = [StoreUnavailable()]
    scene.redis.foreign = [Attempted("job-1", 1), Attempted("job-9", 9)]
    scene.settle(1, 2)
    scene.until(lambda: scene.redis.settled)
    assert [settle.token for settle in scene.redis.settled] == [2]
    assert scene.desk.dropped == scene.redis.foreign
    assert scene.refused == [(attempted, "foreign") for attempted in scene.redis.foreign]


def test_a_stale_word_ends_the_matter(scene: Scene) -> None:
    scene.start()
    scene.redis.word = "stale"
    scene.settle(1)
    scene.turn()
    assert scene.exchange.unsettled == 0
    assert scene.redis.kinds.count("exchange") == 1
    assert scene.refused == [(Attempted("job-1", 1), "stale")]
    assert scene.settled == []


def test_who_was_reaped_hears_it(scene: Scene) -> None:
    scene.start()
    scene.redis.failures = [Reaped()]
    scene.settle(1)
    scene.turn()
    assert scene.running is not None
    assert isinstance(scene.running.exception(), Reaped)


def test_a_draining_one_claims_no_more_and_ends_when_all_is_settled(scene: Scene) -> None:
    scene.idle = [7]
    scene.start()
    scene.desk.running = [Attempted("job-1", 1)]
    scene.exchange.drain()
    scene.turn()
    assert not scene.ended
    scene.desk.running = []
    scene.settle(1)
    scene.turn()
    assert scene.ended
    assert scene.redis.wanted[1:] == [0]
    assert scene.exchange.unsettled == 0


def test_jobs_that_come_while_it_begins_to_drain_go_back_free(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.claimable = [a_claim(token=5)]
    scene.redis.answering.clear()
    scene.start()
    scene.exchange.drain()
    scene.redis.answering.set()
    scene.turn()
    assert scene.desk.handed == []
    assert [(settle.token, settle.outcome) for settle in scene.redis.settled] == [(5, Outcome.SHUTDOWN)]
    assert scene.ended


def test_a_fenced_one_claims_nothing_but_settles(scene: Scene) -> None:
    scene.idle = [7]
    scene.lease.fenced = True
    scene.start()
    scene.settle(1)
    scene.turn()
    assert scene.redis.wanted == [0]
    assert not scene.exchange.wants_more()


def test_with_nothing_left_to_tell_a_drain_does_not_wait_for_redis(scene: Scene) -> None:
    scene.redis.failures = [StoreUnavailable()] * 1000
    scene.start()
    scene.exchange.drain()
    scene.until(lambda: scene.ended)


def test_giving_up_ends_with_what_is_undelivered(scene: Scene) -> None:
    scene.redis.failures = [StoreUnavailable()] * 1000
    scene.start()
    scene.settle(1)
    scene.exchange.drain()
    scene.turn(0.01)
    assert not scene.ended
    scene.exchange.give_up()
    scene.until(lambda: scene.ended)
    assert scene.exchange.unsettled == 1


def test_it_sleeps_until_the_next_job_is_due(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.next_due_ms = 20
    before = scene.loop.time()
    scene.start()
    scene.redis.next_due_ms = None
    scene.until(lambda: len(scene.redis.wanted) == 2)
    assert scene.loop.time() - before >= 0.02


def test_while_all_are_busy_a_job_that_is_due_keeps_nobody_awake(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.claimable = [a_claim(token=1)]
    scene.redis.next_due_ms = 0
    scene.start()
    scene.idle = []
    looked = 0
    wanted = scene.exchange._wanted

    def count() -> list[Wanted]:
        nonlocal looked
        looked += 1
        return wanted()

    scene.exchange._wanted = count  # type: ignore[method-assign]
    scene.turn(0.05)
    assert looked <= 2


def test_what_a_new_start_would_meet_too_makes_it_not_stuck_however_long_it_lasts(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.failures = [WritesRefused("READONLY"), StoreMisconfigured("NOPERM"), StoreFull()] * 1000
    scene.start()
    scene.turn(0.02)
    assert scene.stuck_seconds == 0.0
    assert scene.exchange.trouble


def test_any_other_error_makes_it_stuck_from_the_first_on(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.failures = [WritesRefused("READONLY"), *[StoreError("WRONGTYPE"), StoreUnavailable("away")] * 1000]
    scene.start()
    scene.turn(0.02)
    before = scene.stuck_seconds
    scene.turn(0.02)
    assert scene.stuck_seconds >= before + 0.02


def test_what_redis_says_is_known_until_a_call_succeeds(scene: Scene) -> None:
    scene.idle = [7]
    # More often than it can be tried again before we look.
    scene.redis.failures = [StoreError("WRONGTYPE")] * 10_000
    scene.start()
    assert scene.exchange.trouble == "WRONGTYPE"
    scene.redis.failures.clear()
    scene.until(lambda: not scene.exchange.trouble)
    assert (scene.exchange.trouble, scene.stuck_seconds) == ("", 0.0)


def test_a_count_that_differs_has_it_reconcile(scene: Scene) -> None:
    scene.start()
    scene.exchange.compare(0, scene.exchange.last_call())
    scene.turn()
    assert scene.redis.kinds == ["beat", "reconcile"]
    scene.exchange.compare(1, scene.exchange.last_call())
    scene.turn()
    assert scene.redis.kinds == ["beat", "reconcile", "beat", "reconcile"]


def test_a_count_means_nothing_while_a_call_is_open(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.answering.clear()
    scene.start()
    assert scene.exchange.last_call() is None
    scene.exchange.compare(1, scene.exchange.last_call())
    scene.redis.answering.set()
    scene.turn()
    assert scene.redis.kinds.count("reconcile") == 1


def test_a_count_means_nothing_when_a_call_was_made_while_redis_was_asked(scene: Scene) -> None:
    scene.idle = [7]
    scene.start()
    before = scene.exchange.last_call()
    scene.exchange.poke()
    scene.turn()
    scene.exchange.compare(1, before)
    scene.turn()
    assert scene.redis.kinds.count("reconcile") == 1


def test_a_count_means_nothing_when_a_call_that_was_open_has_ended_since(scene: Scene) -> None:
    scene.idle = [7]
    scene.redis.answering.clear()
    scene.start()
    before = scene.exchange.last_call()
    scene.redis.answering.set()
    scene.turn()
    scene.exchange.compare(1, before)
    scene.turn()
    assert scene.redis.kinds.count("reconcile") == 1


def test_while_all_that_is_claimed_is_held_back_more_is_claimed_until_something_may_begin(scene: Scene) -> None:
    scene.idle, scene.desk.holds_back = [7, 8], True
    scene.redis.claimable = [a_claim(id=f"job-{number}") for number in range(450)]
    scene.start()
    for _ in range(5):
        scene.exchange.poke()
        scene.turn()
    assert scene.redis.wanted[:5] == [2, 6, 14, 30, 62]
    assert max(scene.redis.wanted) <= MAX_BATCH_JOBS
    scene.desk.holds_back = False
    scene.redis.claimable = [a_claim(), a_claim()]
    scene.exchange.poke()
    scene.turn()
    scene.exchange.poke()
    scene.turn()
    assert scene.redis.wanted[-1] == 2


def follow_ups(count: int) -> tuple[NewJob, ...]:
    return tuple(NewJob(str(number), "mail") for number in range(count))


def test_follow_ups_count_as_jobs_of_a_call_and_are_completed_before_it(scene: Scene) -> None:
    scene.start()
    scene.settle(1, follow_ups=follow_ups(MAX_BATCH_JOBS))
    scene.settle(2, 3, follow_ups=follow_ups(MAX_BATCH_JOBS // 2 - 1))
    scene.settle(4)
    scene.turn()
    assert scene.redis.batches == [1, 2, 1]
    assert [settle.reason for settle in scene.redis.settled] == ["completed"] * 3 + [""]


def test_what_cannot_be_completed_waits_as_if_redis_were_away(scene: Scene) -> None:
    scene.start()
    scene.redis.failures = [StoreUnavailable()]
    scene.settle(1, follow_ups=follow_ups(1))
    scene.until(lambda: scene.exchange.unsettled == 0)
    assert scene.redis.kinds[2:] == ["beat", "reconcile", "exchange"]
    assert scene.redis.held == [Attempted("job-1", 1)]


def test_a_success_whose_follow_ups_are_refused_is_not_counted_as_one(scene: Scene) -> None:
    scene.start()
    scene.redis.word = "failed"
    scene.settle(1, follow_ups=follow_ups(1))
    scene.turn()
    assert [settle.outcome for settle in scene.settled] == [Outcome.BAD_RESULT]
