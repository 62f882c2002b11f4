"""The brake on restarts, under a clock that stands still."""

import pytest

from jobworker.api.brake import DELAYS, GOOD_LIFE_SECONDS, Brake, fate_of


class Life:
    """Starts and ends of one process."""

    def __init__(self) -> None:
        self.now = 100.0
        self.brake = Brake(lambda: self.now)
        self.brake.started()

    def die(self, after_seconds: float) -> float:
        """End after so long a life; return how long the next start is held back."""
        self.now += after_seconds
        return self.brake.ended()

    def come_back(self) -> None:
        assert self.brake.due_at is not None
        self.now = self.brake.due_at
        assert self.brake.has_let_go
        self.brake.started()


@pytest.fixture
def life() -> Life:
    return Life()


def test_while_it_runs_nothing_is_due(life: Life) -> None:
    assert (life.brake.due_at, life.brake.has_let_go) == (None, False)


def test_it_holds_until_the_delay_is_over(life: Life) -> None:
    delay_seconds = life.die(0.5)
    assert life.brake.due_at == pytest.approx(life.now + delay_seconds)
    assert not life.brake.has_let_go
    life.come_back()
    assert (life.brake.due_at, life.brake.has_let_go) == (None, False)


def test_it_grows_with_each_quick_end_up_to_its_longest(life: Life) -> None:
    delays = []
    for _ in range(8):
        delays.append(life.die(0.5))
        life.come_back()
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, DELAYS.max, DELAYS.max])


def test_a_good_life_lets_it_go(life: Life) -> None:
    for _ in range(3):
        life.die(0.5)
        life.come_back()
    assert life.die(GOOD_LIFE_SECONDS) == pytest.approx(0.1)


def test_a_start_that_fails_counts_as_a_quick_end(life: Life) -> None:
    assert [life.die(0.5), life.die(0.0)] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (70, "exit code 70"), (-15, "killed by SIGTERM")])
def test_how_it_ended_is_said_in_words(code: int, words: str) -> None:
    assert fate_of(code) == words
