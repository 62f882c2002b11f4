import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.watch import lateness, lines, until


def test_lateness_is_the_time_from_the_deadline_to_the_death() -> None:
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as process:
        due_ns = time.monotonic_ns()
        process.kill()
        [late] = lateness([process.pid], due_ns)
        assert 0 < late <= (time.monotonic_ns() - due_ns) / 1e6


def test_a_process_that_outlives_our_patience_is_infinitely_late() -> None:
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as process:
        assert lateness([process.pid], time.monotonic_ns(), give_up_seconds=0.05) == [math.inf]
        process.kill()


def test_lines_are_read_as_words(tmp_path: Path) -> None:
    (tmp_path / "marks").write_text("1 2\n3 4\n")
    assert lines(tmp_path / "marks", 2) == [["1", "2"], ["3", "4"]]


def test_what_never_comes_ends_the_measurement() -> None:
    with pytest.raises(SystemExit, match="gave up"):
        until(lambda: False, give_up_seconds=0.01)
