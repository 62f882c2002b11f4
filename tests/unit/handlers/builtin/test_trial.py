"""The harmful handlers, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobworker.handlers import testing
from jobworker.handlers.builtin import trial
from jobworker.handlers.errors import InvalidPayload
from tests.support.waiting import wait_until

Start = Callable[[str, Any], subprocess.Popen[bytes]]

RUN = f"""
import json, sys
import {trial.__name__}
from jobworker.handlers import testing
print(json.dumps(testing.run(sys.argv[1], json.loads(sys.argv[2]))))
"""


class Started:
    """The file to which the processes of a hanging job add their lines."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def lines(self) -> list[list[int]]:
        """Pid and time of each process that has begun."""
        text = self.file.read_text() if self.file.exists() else ""
        return [[int(word) for word in line.split()] for line in text.splitlines()]

    def pids(self) -> list[int]:
        return [pid for pid, _ in self.lines()]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Ends what is left of the job when the test is over."""
    started = Started(tmp_path / "started")
    yield started
    for pid in started.pids():
        _kill(pid)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a handler in a process of its own."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(handler_type: str, payload: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", RUN, handler_type, json.dumps(payload)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        # Not `communicate`: what the job has left behind may hold the other end.
        assert process.stdout is not None
        process.stdout.close()


def test_noop_takes_any_payload_and_returns_nothing() -> None:
    assert testing.run("noop", {"any": ["thing"]}) is None


@pytest.mark.parametrize(
    ("payload", "returncode"),
    [
        ({}, 1),
        ({"exit_code": 0}, 0),
        ({"exit_code": 3}, 3),
        ({"signal": signal.SIGKILL}, -signal.SIGKILL),
        ({"signal": signal.SIGSEGV}, -signal.SIGSEGV),
    ],
)
def test_crash_ends_the_process_as_told(start: Start, payload: Any, returncode: int) -> None:
    process = start("crash", payload)

    output, _ = process.communicate(timeout=30)

    assert (process.returncode, output) == (returncode, b"")


def test_crash_says_when_the_signal_does_not_kill(start: Start) -> None:
    output, _ = start("crash", {"signal": signal.SIGCHLD}).communicate(timeout=30)

    assert json.loads(output) == {"survived_signal": signal.SIGCHLD}


@pytest.mark.parametrize(("how", "processes"), [("loop", 1), ("regex", 1), ("stubborn", 1), ("tree", 4)])
def test_a_hanging_job_says_that_it_began_and_ends_by_a_kill_only(
    start: Start, started: Started, how: str, processes: int
) -> None:
    process = start("hang", {"how": how, "started": str(started.file)})
    wait_until(lambda: len(started.lines()) == processes, timeout_seconds=30)

    assert started.lines()[0][0] == process.pid
    assert started.lines()[0][1] > 0
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL


def test_a_stubborn_job_blocks_and_ignores_every_signal(start: Start, started: Started) -> None:
    process = start("hang", {"how": "stubborn", "started": str(started.file)})
    wait_until(lambda: signal.SIGTERM in _signals(process.pid, "SigBlk"), timeout_seconds=30)

    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1} <= _signals(process.pid, "SigIgn")
    process.terminate()
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL


def test_a_tree_has_a_child_and_two_escapees_of_other_sessions(start: Start, started: Started) -> None:
    process = start("hang", {"how": "tree", "started": str(started.file)})
    wait_until(lambda: len(started.lines()) == 4, timeout_seconds=30)

    others = set(started.pids()) - {process.pid}
    children = {pid for pid in others if _parent(pid) == process.pid}
    escapees = others - children
    assert (len(children), len(escapees)) == (1, 2)
    assert {os.getsid(pid) for pid in children} == {os.getsid(process.pid)}
    assert os.getsid(process.pid) not in {os.getsid(pid) for pid in escapees}


def test_allocate_holds_as_much_memory_as_told(start: Start) -> None:
    process = start("allocate", {"megabytes": 96, "seconds": 600})

    wait_until(lambda: _resident_megabytes(process.pid) > 96, timeout_seconds=30)

    assert process.poll() is None


def test_allocate_returns_when_its_time_is_over() -> None:
    assert testing.run("allocate", {"megabytes": 1}) == {"megabytes": 1}


@pytest.mark.parametrize(
    ("handler_type", "payload"),
    [
        ("crash", {"exit_code": 256}),
        ("crash", {"signal": 0}),
        ("hang", {"how": "politely"}),
        ("allocate", {"megabytes": -1}),
        ("allocate", {}),
    ],
)
def test_a_payload_that_makes_no_sense_harms_nobody(handler_type: str, payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        testing.run(handler_type, payload)


def test_the_harmful_handlers_are_not_built_in() -> None:
    code = "from jobworker.handlers.loading import load, DEFAULT; load([]); print([h.type for h in DEFAULT.all()])"

    output = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert output.strip() == "['echo', 'sleep']"


def _signals(pid: int, field: str) -> set[int]:
    """The signals in one of the masks of /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith(f"{field}:"))
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _resident_megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
