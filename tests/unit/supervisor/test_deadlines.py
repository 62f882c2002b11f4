"""Deadlines on a clock that the test moves."""

import random

import pytest

from jobworker.supervisor.deadlines import EXPIRED_PER_TURN, Deadlines
from tests.support.virtual_loop import VirtualLoop


class Watch:
    """Deadlines, and what they told."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.told: list[tuple[int, float]] = []
        self.deadlines = Deadlines(self.loop, lambda attempt: self.told.append((attempt, self.loop.now)))


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_an_attempt_is_overdue_at_its_deadline_and_told_once(watch: Watch) -> None:
    watch.deadlines.set(7, 1005.0)
    watch.loop.advance_to(1004.999)
    assert watch.told == []
    watch.loop.advance_to(1100.0)
    assert watch.told == [(7, 1005.0)]


def test_several_are_told_in_the_order_of_their_deadlines(watch: Watch) -> None:
    for attempt, when in ((1, 1030.0), (2, 1010.0), (3, 1020.0)):
        watch.deadlines.set(attempt, when)
    watch.loop.advance_to(1100.0)
    assert watch.told == [(2, 1010.0), (3, 1020.0), (1, 1030.0)]


def test_an_attempt_that_ended_is_not_told(watch: Watch) -> None:
    watch.deadlines.set(1, 1010.0)
    watch.deadlines.set(2, 1020.0)
    watch.deadlines.clear(1)
    watch.loop.advance_to(1100.0)
    assert watch.told == [(2, 1020.0)]


def test_a_deadline_that_is_set_again_moves(watch: Watch) -> None:
    watch.deadlines.set(1, 1010.0)
    watch.deadlines.set(1, 1030.0)
    watch.loop.advance_to(1029.0)
    assert watch.told == []
    watch.deadlines.set(1, 1029.5)
    watch.loop.advance_to(1100.0)
    assert watch.told == [(1, 1029.5)]


def test_a_worker_s_next_attempt_does_not_inherit_the_deadline_of_the_last(watch: Watch) -> None:
    watch.deadlines.set(1, 1010.0)
    watch.deadlines.clear(1)
    watch.deadlines.set(1, 1050.0)
    watch.loop.advance_to(1100.0)
    assert watch.told == [(1, 1050.0)]


def test_a_timer_that_fires_early_tells_nobody_and_is_set_anew(watch: Watch) -> None:
    watch.deadlines.set(1, 1010.0)
    watch.deadlines._expire()
    assert watch.told == []
    watch.loop.advance_to(1100.0)
    assert watch.told == [(1, 1010.0)]


def test_what_is_told_may_set_a_later_deadline_for_the_same_attempt() -> None:
    loop = VirtualLoop()
    told: list[float] = []

    def overdue(attempt: int) -> None:
        told.append(loop.now)
        if len(told) < 3:
            deadlines.set(attempt, loop.now + 1)

    deadlines = Deadlines(loop, overdue)
    deadlines.set(1, 1010.0)
    deadlines.set(2, 1010.0)
    loop.advance_to(1100.0)
    assert told == [1010.0, 1010.0, 1011.0, 1011.0]


def test_one_timer_is_armed_however_many_attempts_run(watch: Watch) -> None:
    for attempt in range(50):
        watch.deadlines.set(attempt, 2000.0 - attempt)
    assert watch.loop.armed == [1951.0]


def test_a_thousand_ended_attempts_leave_nothing_behind(watch: Watch) -> None:
    for attempt in range(1000):
        watch.deadlines.set(attempt % 4, 5000.0 + attempt)
        watch.deadlines.clear(attempt % 4)
    assert len(watch.deadlines._heap) <= 65
    watch.loop.advance_to(9000.0)
    assert watch.told == []


def test_against_a_plain_list_of_deadlines(watch: Watch) -> None:
    chance = random.Random(5)
    due: dict[int, float] = {}
    expected: list[tuple[int, float]] = []
    for step in range(3000):
        attempt = chance.randrange(40)
        if chance.random() < 0.6:
            due[attempt] = watch.loop.now + chance.uniform(0.1, 30.0)
            watch.deadlines.set(attempt, due[attempt])
        elif chance.random() < 0.5:
            due.pop(attempt, None)
            watch.deadlines.clear(attempt)
        now = 1000.0 + step * 0.05
        expected += sorted((one for one in due.items() if one[1] <= now), key=lambda one: one[1])
        due = {one: when for one, when in due.items() if when > now}
        watch.loop.advance_to(now)
        assert watch.told == expected
    assert len(expected) > 100


def test_very_many_at_once_leave_others_room_in_between(watch: Watch) -> None:
    count = 2 * EXPIRED_PER_TURN + 1
    for attempt in range(count):
        watch.deadlines.set(attempt, 1010.0)
    watch.loop.now = 1010.0
    watch.deadlines._expire()
    assert len(watch.told) == EXPIRED_PER_TURN
    watch.loop.advance_to(1010.0)
    assert [attempt for attempt, _ in watch.told] == list(range(count))
