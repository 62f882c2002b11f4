"""The example with the ledger: workers and supervisors are shot, and each deposit is entered once."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.command import clean_environment
from tests.support.up import Up

pytestmark = pytest.mark.real

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "exactly_once"
#: The shots are no fault of the handler's.
OPTIONS: Final = ("--supervisor-type-max-crashes", "1000", "--supervisor-max-restarts", "1000")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE / "run.py"), *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False)


def numbers(pattern: str, line: str) -> list[int]:
    found = re.fullmatch(pattern, line)
    assert found, line
    return [int(number) for number in found.groups()]


def test_whoever_is_shot_each_deposit_is_in_the_ledger_once(tmp_path: Path) -> None:
    with Up(tmp_path, "--handlers", str(EXAMPLE / "handlers.py"), *OPTIONS) as up:
        up.ready()
        done = run("--url", up.url, "--jobs", "40", "--shots", "5")
    assert (done.returncode, done.stderr) == (0, "")
    shot, submitted, attempts, entered = done.stdout.splitlines()
    workers, supervisors = numbers(r"shot with SIGKILL: (\d+) workers, (\d+) supervisors", shot)
    begun, _ = numbers(r"attempts begun: (\d+), of these after the deposit had been entered: (\d+)", attempts)
    assert 1 <= workers + supervisors <= 5
    # A supervisor takes its two workers along.
    assert 40 <= begun <= 40 + workers + 2 * supervisors
    assert submitted == "deposits submitted: 40"
    assert entered == "entries in the ledger: 40, each once"


def test_where_nobody_answers_it_says_what_to_start() -> None:
    done = run("--url", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "start it: jobworker up --handlers examples/exactly_once/handlers.py" in done.stderr
