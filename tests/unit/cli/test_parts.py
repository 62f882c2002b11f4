import signal
import subprocess
from collections.abc import Callable

import pytest

from jobworker.cli.errors import Failed
from jobworker.cli.parts import Part


class Stage:
    """A part whose processes run one program each, under a clock that stands still."""

    def __init__(self, *program: str, spawn: Callable[[], subprocess.Popen[bytes]] | None = None) -> None:
        self.now = 100.0
        self.program = program or ("sleep", "60")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.part = Part("api", spawn or self.spawn, clock=lambda: self.now, patience_seconds=1.0)

    def spawn(self) -> subprocess.Popen[bytes]:
        self.processes.append(subprocess.Popen(self.program))
        return self.processes[-1]

    def die(self, after_seconds: float) -> float:
        """End the process after so long a life; return when the part wants to start the next one."""
        self.now += after_seconds
        self.processes[-1].kill()
        self.processes[-1].wait()
        self.part.tend()
        assert self.part.due_at is not None
        return self.part.due_at - self.now

    def come_back(self) -> None:
        assert self.part.due_at is not None
        self.now = self.part.due_at
        self.part.tend()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_part_that_runs_is_left_alone(stage: Stage) -> None:
    stage.part.start()
    stage.part.tend()
    assert (stage.part.runs, stage.part.due_at, len(stage.processes)) == (True, None, 1)
    stage.processes[-1].kill()
    stage.processes[-1].wait()


def test_a_part_that_died_comes_back_no_sooner_than_the_brake_allows(stage: Stage) -> None:
    stage.part.start()
    assert stage.die(0.5) == pytest.approx(0.1)
    stage.part.tend()
    assert len(stage.processes) == 1
    stage.come_back()
    assert (stage.part.runs, len(stage.processes), stage.part.due_at) == (True, 2, None)
    stage.die(0)


def test_a_restart_that_fails_is_braked_like_a_death() -> None:
    def refuse() -> subprocess.Popen[bytes]:
        raise Failed("somebody has the data")

    part = Stage(spawn=refuse)
    with pytest.raises(Failed):
        part.part.start()
    part.part.tend()
    part.come_back()
    assert part.part.due_at is not None
    assert part.part.due_at > part.now


def test_who_ended_by_itself_has_said_why() -> None:
    stage = Stage("false")
    stage.part.start()
    stage.processes[-1].wait()
    assert stage.part.why_it_ended() is None


def test_who_was_killed_cannot_have_said_why(stage: Stage) -> None:
    stage.part.start()
    stage.part.signal(signal.SIGKILL)
    stage.processes[-1].wait()
    assert stage.part.why_it_ended() == "the api did not start: killed by SIGKILL"


def test_who_ended_well_although_nobody_asked_is_reported() -> None:
    stage = Stage("true")
    stage.part.start()
    stage.processes[-1].wait()
    assert stage.part.why_it_ended() == "the api did not start: exit code 0"


def test_a_signal_to_what_never_started_or_has_ended_is_nothing(stage: Stage) -> None:
    stage.part.signal(signal.SIGTERM)
    stage.part.start()
    stage.die(0)
    stage.part.signal(signal.SIGTERM)
    assert not stage.part.runs
