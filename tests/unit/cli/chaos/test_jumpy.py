import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobworker.cli.chaos.jumpy import follow_clock, make_clock, set_clock

DAY = 86_400.0


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clock that this process follows until the test ends."""
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, getattr(time, name))
    make_clock(tmp_path / "clock")
    follow_clock(tmp_path / "clock")
    return tmp_path / "clock"


def wall() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


def test_a_clock_goes_right_until_it_is_set(clock: Path) -> None:
    assert time.time() == pytest.approx(wall(), abs=5)
    assert time.time_ns() == pytest.approx(wall() * 1e9, abs=5e9)


@pytest.mark.parametrize("ahead_seconds", [DAY, -DAY])
def test_a_clock_jumps_while_others_go_on(clock: Path, ahead_seconds: float) -> None:
    before = time.monotonic()
    set_clock(clock, ahead_seconds)
    assert time.time() - wall() == pytest.approx(ahead_seconds, abs=5)
    assert time.time_ns() / 1e9 - wall() == pytest.approx(ahead_seconds, abs=5)
    assert time.monotonic() - before < DAY / 2


def test_a_command_of_ours_runs_under_such_a_clock(tmp_path: Path) -> None:
    make_clock(tmp_path / "clock")
    command = [sys.executable, "-P", "-m", "jobworker.cli.chaos.jumpy", str(tmp_path / "clock"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "jobworker" in done.stdout) == (0, True)
