"""How long the loop is blocked, under a clock that the test moves."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from jobworker.store.sizing import usable_cpus
from jobworker.supervisor.lag import LINE_EVERY_SECONDS, RECENT_SECONDS, TOO_LONG_SECONDS, LagSelector
from tests.unit.supervisor.running import Running


class Scene:
    """A selector whose loop is as slow as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lag = LagSelector(clock=lambda: self.now)

    def turn(self, seconds: float) -> None:
        """Let the loop be busy for so long, then look for events."""
        self.now += seconds
        self.lag.select(0)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.lag.close()


def test_the_longest_turn_counts(scene: Scene) -> None:
    for seconds in (0.001, 0.02, 0.003):
        scene.turn(seconds)
    assert scene.lag.recent_seconds == pytest.approx(0.02)
    assert scene.lag.most_seconds == pytest.approx(0.02)


def test_after_a_minute_it_is_no_longer_recent(scene: Scene) -> None:
    scene.turn(0.5)
    assert scene.lag.recent_seconds == pytest.approx(0.5)
    scene.now += RECENT_SECONDS - 1
    assert scene.lag.recent_seconds == pytest.approx(0.5)
    scene.now += 2
    assert scene.lag.recent_seconds == 0
    assert scene.lag.most_seconds == pytest.approx(0.5)


def test_who_asks_often_makes_it_neither_long_nor_wrong(scene: Scene) -> None:
    scene.turn(0.02)
    for _ in range(1000):
        scene.turn(0.01)
        assert scene.lag.recent_seconds == pytest.approx(0.02)
    assert len(scene.lag._recent) < 20


def test_a_turn_that_lasts_too_long_is_one_line_a_minute(scene: Scene) -> None:
    with capture_logs() as lines:
        scene.turn(TOO_LONG_SECONDS)
        scene.turn(0.07)
        scene.turn(0.08)
        scene.now += LINE_EVERY_SECONDS
        scene.turn(0)
    assert [line["milliseconds"] for line in lines] == [70, round(1000 * LINE_EVERY_SECONDS)]


def test_the_line_tells_how_many_wanted_a_cpu_and_how_many_there_are(scene: Scene) -> None:
    with capture_logs() as lines:
        scene.turn(0.07)
    assert lines[0]["load"] >= 0
    assert lines[0]["cpus"] == len(usable_cpus())


def test_waiting_for_events_is_not_being_blocked() -> None:
    # When it was made; before, in a note of it, and after each of two waits; when it is asked.
    instants = iter((0.0, 0.25, 0.25, 100.0, 100.5, 100.5, 200.0, 200.0))
    lag = LagSelector(clock=lambda: next(instants))
    lag.select(0)
    lag.select(0)
    assert lag.most_seconds == 0.5
    lag.close()


def test_the_loop_of_a_supervisor_is_watched(running: Running) -> None:
    async def block() -> None:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass

    running.runner.run(block())
    running.runner.run(asyncio.sleep(0))
    assert running.loop.lag.most_seconds >= 0.1
