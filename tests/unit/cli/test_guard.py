import signal
import sys
from pathlib import Path

import pytest

from tests.support.command import Command, is_gone
from tests.support.waiting import wait_until

PROGRAM = """
import os, signal, sys
from jobworker.cli.guard import stand_guard
from jobworker.cli.inbox import SignalInbox
def say(*words): os.write(1, (" ".join(map(str, words)) + "\\n").encode())
inbox = SignalInbox().__enter__()
code = stand_guard(inbox)
if code is not None:
    sys.exit(code)
"""
#: Says each signal it takes, and ends with code 7 at SIGTERM.
LISTENER = """
say("working")
while (number := inbox.take()) != signal.SIGTERM: say(number.name)
sys.exit(7)
"""


def guarded(body: str, directory: Path) -> Command:
    return Command([sys.executable, "-c", PROGRAM + body], directory)


@pytest.mark.parametrize(
    ("body", "code"),
    [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", 1), ("1 / 0", 1)],
)
def test_the_guard_ends_as_the_worker_does(tmp_path: Path, body: str, code: int) -> None:
    with guarded(body, tmp_path) as command:
        assert command.wait() == code


def test_a_worker_that_is_killed_is_told_in_one_sentence(tmp_path: Path) -> None:
    with guarded(LISTENER, tmp_path) as command:
        command.wait_for("working")
        (worker,) = command.descendants()
        worker.kill()
        assert command.wait() == 1
        assert command.err == (
            f"jobworker: the process that runs the parts (pid {worker.pid}) was killed by SIGKILL; "
            "the parts drain and end by themselves\n"
        )


def test_each_signal_is_passed_on_once(tmp_path: Path) -> None:
    with guarded(LISTENER, tmp_path) as command:
        command.wait_for("working")
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGINT):
            said = command.out.count(number.name)
            command.signal(number)
            command.wait_for(number.name, times=said + 1)
        command.signal(signal.SIGTERM)
        assert command.wait() == 7
        assert command.out == "working\nSIGINT\nSIGHUP\nSIGINT\n"


def test_a_signal_that_comes_before_the_work_begins_is_not_lost(tmp_path: Path) -> None:
    slow = "say('forked', os.getppid())\nwhile not signal.sigpending(): pass\n"
    with guarded(slow + LISTENER, tmp_path) as command:
        command.wait_for("forked")
        command.signal(signal.SIGTERM)
        assert command.wait() == 7


def test_when_the_guard_is_killed_the_other_is_asked_to_hurry(tmp_path: Path) -> None:
    with guarded(LISTENER, tmp_path) as command:
        command.wait_for("working")
        (worker,) = command.descendants()
        command.signal(signal.SIGKILL)
        command.wait()
        wait_until(lambda: "SIGUSR1" in command.out)
        worker.terminate()
        wait_until(lambda: is_gone(worker))


def test_as_process_one_it_reaps_orphans_and_goes_on(tmp_path: Path) -> None:
    # The guard as the subreaper of what it has started, which is what the first process of a container is.
    adopt = "import ctypes; ctypes.CDLL(None).prctl(36, 1)\n"
    orphan = """
if os.fork() == 0:
    if os.fork() == 0: os._exit(0)
    os._exit(0)
os.wait()
"""
    with Command([sys.executable, "-c", adopt + PROGRAM + orphan + LISTENER], tmp_path) as command:
        command.wait_for("working")
        wait_until(lambda: len(command.descendants()) == 1)
        command.signal(signal.SIGTERM)
        assert command.wait() == 7
