"""What an import does not find."""

import subprocess
import sys

import pytest

from jobworker.cli.absent import absent


def test_what_is_absent_cannot_be_imported_inside_and_can_be_afterwards() -> None:
    with absent("antigravity"), pytest.raises(ImportError):
        __import__("antigravity")
    assert "antigravity" not in sys.modules


def test_what_was_imported_before_stays() -> None:
    with absent("pytest"):
        assert __import__("pytest") is pytest
    assert sys.modules["pytest"] is pytest


@pytest.mark.parametrize("command", ["supervisor", "api"])
def test_what_runs_for_long_does_not_keep_the_pretty_tracebacks_in_memory(command: str) -> None:
    program = f"""
import sys
import jobworker.cli.{command} as command

def show(*_: object) -> int:
    print("structlog" in sys.modules, "rich" in sys.modules)
    raise SystemExit

import jobworker.cli.logs
jobworker.cli.logs.start_logs = show
command.{command}.main([], standalone_mode=False)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["True", "False"], ended.stderr
