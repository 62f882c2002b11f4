"""Types that keep crashing: when one is held, what is tried, how those that wait return."""

from collections import Counter

import pytest

from jobworker.store.states import Outcome
from jobworker.supervisor.breaker import (
    FIRST_HOLD_SECONDS,
    LONGEST_HOLD_SECONDS,
    RETURN_BATCH,
    RETURN_STEP_NS,
    TRIAL_SECONDS,
    Breaker,
    Hold,
)

STEP_MS = RETURN_STEP_NS // 1_000_000


class Scene:
    """A breaker that allows three crashes in 60 s, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * 10**9
        self.breaker = Breaker(3, 60, clock_ns=lambda: self.now_ns)

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def end(self, outcome: Outcome, token: int = 0, job_type: str = "mail") -> None:
        self.breaker.ended(job_type, token, outcome, "SIGSEGV before it reported")

    def hold(self) -> None:
        for _ in range(4):
            self.end(Outcome.CRASHED)

    def may_begin(self, token: int = 0, job_type: str = "mail") -> bool:
        return self.breaker.refusal(job_type, token) is None

    def delay_ms(self, token: int = 0) -> int:
        refusal = self.breaker.refusal("mail", token)
        assert refusal is not None
        return refusal.delay_ms

    @property
    def held(self) -> Hold:
        [hold] = self.breaker.holds
        return hold


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_as_many_crashes_as_are_allowed_hold_nothing(scene: Scene) -> None:
    for _ in range(3):
        scene.end(Outcome.CRASHED)
    assert scene.may_begin()
    assert scene.breaker.holds == ()


def test_one_more_holds_the_type_and_no_other_and_says_why(scene: Scene) -> None:
    scene.end(Outcome.OUT_OF_MEMORY)
    for _ in range(3):
        scene.end(Outcome.CRASHED)
    refusal = scene.breaker.refusal("mail", 1)
    assert refusal is not None
    assert refusal.why == "held: more than 3 crashes within 60 s, the last: SIGSEGV before it reported"
    assert refusal.delay_ms == 1000 * FIRST_HOLD_SECONDS
    assert scene.may_begin(1, "other")


def test_crashes_that_lie_further_apart_do_not_count_together(scene: Scene) -> None:
    for _ in range(9):
        scene.end(Outcome.CRASHED)
        scene.advance(20.1)
    assert scene.may_begin()


@pytest.mark.parametrize("outcome", set(Outcome) - {Outcome.CRASHED, Outcome.OUT_OF_MEMORY})
def test_whatever_else_happens_holds_nothing(scene: Scene, outcome: Outcome) -> None:
    for _ in range(9):
        scene.end(outcome)
    assert scene.may_begin()


def test_one_job_is_tried_when_the_time_has_come_and_the_others_wait_on(scene: Scene) -> None:
    scene.hold()
    scene.advance(FIRST_HOLD_SECONDS - 0.001)
    assert not scene.may_begin(1)
    scene.advance(0.001)
    assert scene.may_begin(2)
    assert not scene.may_begin(3)
    assert 1000 * TRIAL_SECONDS <= scene.delay_ms(4) <= 1000 * TRIAL_SECONDS + STEP_MS


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED, Outcome.TIMED_OUT, Outcome.BAD_RESULT])
def test_a_trial_whose_worker_lives_frees_the_type_and_the_count_begins_anew(scene: Scene, outcome: Outcome) -> None:
    scene.hold()
    scene.advance(FIRST_HOLD_SECONDS)
    assert scene.may_begin(1)
    scene.end(outcome, 1)
    assert scene.breaker.holds == ()
    for _ in range(3):
        scene.end(Outcome.CRASHED)
    assert scene.may_begin(2)


def test_a_trial_that_crashes_holds_for_twice_as_long_up_to_a_bound(scene: Scene) -> None:
    scene.hold()
    since_ns, waits = scene.held.since_ns, []
    for token in range(1, 8):
        waits.append((scene.held.until_ns - scene.now_ns) / 1e9)
        scene.now_ns = scene.held.until_ns
        assert scene.may_begin(token)
        scene.end(Outcome.CRASHED, token)
    assert waits == [10, 20, 40, 80, 160, LONGEST_HOLD_SECONDS, LONGEST_HOLD_SECONDS]
    assert scene.held.since_ns == since_ns
    assert scene.held.why == "it crashed again when it was tried: SIGSEGV before it reported"


@pytest.mark.parametrize(
    "outcome",
    [
        *(Outcome.SHUTDOWN, Outcome.RECALLED, Outcome.CANCELLED, Outcome.LOST),
        *(Outcome.REJECTED, Outcome.UNHANDLED),
    ],
)
def test_after_a_trial_that_proves_nothing_the_next_job_is_tried(scene: Scene, outcome: Outcome) -> None:
    scene.hold()
    scene.advance(FIRST_HOLD_SECONDS)
    assert scene.may_begin(1)
    scene.end(outcome, 1)
    assert scene.may_begin(2)
    assert not scene.may_begin(3)


def test_only_the_trial_decides_not_what_had_begun_before_the_hold(scene: Scene) -> None:
    scene.hold()
    scene.end(Outcome.SUCCEEDED, 77)
    scene.end(Outcome.CRASHED, 78)
    assert scene.held.wait_seconds == FIRST_HOLD_SECONDS
    scene.advance(FIRST_HOLD_SECONDS)
    assert scene.may_begin(1)
    scene.end(Outcome.SUCCEEDED, 79)
    assert not scene.may_begin(2)


def test_thousands_return_a_few_at_a_time(scene: Scene) -> None:
    scene.hold()
    delays = [scene.delay_ms(token) for token in range(10_000)]
    assert delays == sorted(delays)
    assert set(Counter(delays).values()) == {RETURN_BATCH}
    assert delays[-1] - delays[0] == STEP_MS * (10_000 // RETURN_BATCH - 1)


def test_while_one_is_tried_for_long_the_others_do_not_return_faster_than_that(scene: Scene) -> None:
    scene.hold()
    scene.advance(FIRST_HOLD_SECONDS)
    assert scene.may_begin(1)
    returns: Counter[int] = Counter()
    for token in range(2, 5000):
        returns[scene.now_ns // 1_000_000 + scene.delay_ms(token)] += 1
        scene.advance(0.001)
    assert max(returns.values()) == RETURN_BATCH
    assert all(late - early == STEP_MS for early, late in zip(sorted(returns), sorted(returns)[1:], strict=False))
