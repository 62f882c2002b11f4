from typing import Any, cast

import pytest

from jobworker.cli.chaos import nemeses
from jobworker.cli.chaos.nemeses import Hit, Scene
from jobworker.cli.chaos.schedule import Fault
from jobworker.cli.chaos.storm import PATIENCE_SECONDS, Storm


class Sky:
    """A storm of `cut_off`s under a clock that is moved by hand; what it does is noted."""

    def __init__(self, *faults: Fault) -> None:
        self.now = 100.0
        self.done: list[str] = []
        self.is_anybody_there = True
        self.storm = Storm(cast(Scene, None), faults, clock=lambda: self.now)

    def strike(self, _scene: Any, fault: Fault) -> Hit | None:
        if not self.is_anybody_there:
            return None
        self.done.append(f"cut off {fault.target}")
        return Hit(undo=lambda: self.done.append(f"joined {fault.target}"))

    def turn(self, at_seconds: float) -> list[str]:
        """Go on at this time from the start; return what has been done by then."""
        self.now = 100.0 + at_seconds
        self.storm.turn()
        return self.done


def cut(target: str, at_seconds: float, lasts_seconds: float) -> Fault:
    return Fault(at_seconds, "cut_off", target, lasts_seconds, 0.5)


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> Sky:
    sky = Sky(cut("one", 1.0, 5.0), cut("two", 2.0, 1.0))
    monkeypatch.setitem(nemeses.NEMESES, "cut_off", sky.strike)
    return sky


def test_each_fault_is_done_and_undone_at_its_time(sky: Sky) -> None:
    assert sky.turn(0.9) == []
    assert sky.turn(1.0) == ["cut off one"]
    assert sky.turn(2.1)[1:] == ["cut off two"]
    assert sky.turn(3.0)[2:] == []
    assert sky.turn(3.2)[2:] == ["joined two"]
    assert sky.turn(6.0)[3:] == ["joined one"]
    assert [struck.target for struck in sky.storm.struck] == ["one", "two"]


def test_a_fault_waits_a_little_for_somebody_whom_it_can_hit(sky: Sky) -> None:
    sky.is_anybody_there = False
    assert sky.turn(1.0) == []
    sky.is_anybody_there = True
    assert sky.turn(1.5) == ["cut off one"]


def test_a_fault_that_finds_nobody_is_not_counted(sky: Sky) -> None:
    sky.is_anybody_there = False
    sky.turn(1.0)
    sky.turn(1.1 + PATIENCE_SECONDS)
    sky.is_anybody_there = True
    assert sky.turn(2.2) == ["cut off two"]
    assert [struck.target for struck in sky.storm.struck] == ["two"]


def test_in_the_end_everything_is_undone(sky: Sky) -> None:
    sky.turn(1.0)
    sky.turn(2.0)
    sky.storm.calm()
    assert sky.done[2:] == ["joined two", "joined one"]
    sky.storm.calm()
    assert len(sky.done) == 4
