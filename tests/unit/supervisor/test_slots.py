"""The slots, under a clock that stands still."""

from jobworker.supervisor.slots import FIRST_HOLD_SECONDS, LONGEST_HOLD_SECONDS, Restarts, Slots


class Scene:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slots = Slots(Restarts(most=2, within_seconds=60.0), lambda: self.now)

    def die(self, slot: int = 0, *, times: int = 1, most_held: int = 1) -> float | None:
        """Let so many die; return for how long the slot is held."""
        held = None
        for _ in range(times):
            held = self.slots.died(slot, "SIGSEGV", most_held=most_held)
        return None if held is None else held.until - self.now

    def held(self) -> list[int]:
        return [one.slot for one in self.slots.held()]


def test_the_first_that_is_neither_taken_nor_held_is_next() -> None:
    scene = Scene()
    assert scene.slots.take(3, {0}) == 1
    scene.die(1, times=3)
    assert scene.slots.take(3, {0}) == 2
    assert scene.slots.take(3, {0, 2}) is None
    scene.now += FIRST_HOLD_SECONDS
    assert scene.slots.take(3, {0, 2}) == 1


def test_as_many_deaths_as_allowed_hold_nothing_one_more_does() -> None:
    scene = Scene()
    assert scene.die(times=2) is None
    assert scene.die() == FIRST_HOLD_SECONDS
    assert scene.held() == [0]


def test_deaths_that_are_long_ago_do_not_count() -> None:
    scene = Scene()
    scene.die(times=2)
    scene.now += 61
    assert scene.die() is None


def test_a_death_on_trial_holds_at_once_and_longer_up_to_the_longest() -> None:
    scene = Scene()
    scene.die(times=3)
    waits: list[float] = []
    for _ in range(8):
        scene.now += (waits or [FIRST_HOLD_SECONDS])[-1]
        waits.append(scene.die() or 0.0)
    assert waits == [10, 20, 40, 80, 160, LONGEST_HOLD_SECONDS, LONGEST_HOLD_SECONDS, LONGEST_HOLD_SECONDS]


def test_a_worker_that_outlives_its_trial_makes_all_as_it_was() -> None:
    scene = Scene()
    scene.die(times=3)
    scene.now += FIRST_HOLD_SECONDS + 60
    assert scene.die(times=2) is None
    assert scene.die() == FIRST_HOLD_SECONDS


def test_no_more_than_so_many_are_held() -> None:
    scene = Scene()
    assert scene.die(0, times=5, most_held=0) is None
    scene.die(0, most_held=1)
    assert scene.die(1, times=5, most_held=1) is None
    assert scene.held() == [0]


def test_what_is_found_out_later_is_told_of_the_hold_that_it_explains_and_of_no_other() -> None:
    scene = Scene()
    scene.die(times=3)
    [first] = scene.slots.held()
    scene.slots.explain(first, "SIGSEGV, and why")
    assert [held.why for held in scene.slots.held()] == ["SIGSEGV, and why"]
    scene.now += FIRST_HOLD_SECONDS
    scene.die()
    scene.slots.explain(first, "SIGSEGV, and why")
    assert [held.why for held in scene.slots.held()] == ["SIGSEGV"]
