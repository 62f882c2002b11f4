"""A child that serves, as its parent sees it: the brake on restarts, under a clock that stands still."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from jobworker.api.child import Child
from tests.support.waiting import wait_until


class Nursery:
    """Makes one child whose processes are programs that sleep; their wait status is the child's to read."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pids: list[int] = []
        self.listeners: list[socket.socket] = []
        #: Raised by the next fork.
        self.failure: OSError | None = None
        self.child = Child(1, self.listen, lambda _number, _listener: None, clock=lambda: self.now, fork=self.fork)

    def listen(self) -> socket.socket:
        self.listeners.append(socket.socket())
        return self.listeners[-1]

    def fork(self) -> int:
        if self.failure is not None:
            raise self.failure
        process = subprocess.Popen(["/bin/sleep", "600"])
        process.returncode = 0  # the child's parent reaps it, not this object
        self.pids.append(process.pid)
        return process.pid

    def die(self, after_seconds: float) -> float:
        """Kill the process after so long a life; return how soon the next one is due."""
        self.now += after_seconds
        self.child.signal(signal.SIGKILL)
        os.waitid(os.P_PID, self.pids[-1], os.WEXITED | os.WNOWAIT)
        self.child.tend()
        assert self.child.due_at is not None
        return self.child.due_at - self.now

    def come_back(self) -> None:
        assert self.child.due_at is not None
        self.now = self.child.due_at
        self.child.tend()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.child.signal(signal.SIGKILL)
    wait_until(lambda: nursery.child.reap() or not nursery.child.runs)


def test_a_child_that_runs_is_left_alone(nursery: Nursery) -> None:
    nursery.child.start()
    nursery.child.tend()
    assert (nursery.child.runs, nursery.child.due_at, len(nursery.pids)) == (True, None, 1)


def test_the_parent_keeps_no_copy_of_a_child_s_socket(nursery: Nursery) -> None:
    nursery.child.start()
    assert [listener.fileno() for listener in nursery.listeners] == [-1]


def test_a_child_that_died_comes_back_with_a_fresh_socket_no_sooner_than_the_brake_allows(nursery: Nursery) -> None:
    nursery.child.start()
    assert nursery.die(0.5) == pytest.approx(0.1)
    nursery.child.tend()
    assert len(nursery.pids) == 1
    nursery.come_back()
    assert (nursery.child.runs, nursery.child.due_at, len(nursery.pids), len(nursery.listeners)) == (True, None, 2, 2)


def test_a_restart_for_which_the_system_has_no_room_is_braked_like_a_death(nursery: Nursery) -> None:
    nursery.child.start()
    nursery.die(0.5)
    nursery.failure = BlockingIOError("no more processes")
    nursery.come_back()
    assert nursery.child.due_at == pytest.approx(nursery.now + 0.2)
    nursery.failure = None
    nursery.come_back()
    assert nursery.child.runs


def test_a_first_start_for_which_there_is_no_room_is_told(nursery: Nursery) -> None:
    nursery.failure = BlockingIOError("no more processes")
    with pytest.raises(BlockingIOError):
        nursery.child.start()
    assert not nursery.child.runs


def test_how_it_ended_is_told_once(nursery: Nursery) -> None:
    nursery.child.start()
    assert nursery.child.reap() is None
    nursery.child.signal(signal.SIGKILL)
    os.waitid(os.P_PID, nursery.pids[0], os.WEXITED | os.WNOWAIT)
    assert nursery.child.reap() == "killed by SIGKILL"
    assert nursery.child.reap() is None


def test_a_signal_to_what_has_ended_is_nothing(nursery: Nursery) -> None:
    nursery.child.signal(signal.SIGTERM)
    nursery.child.start()
    nursery.die(0.5)
    nursery.child.signal(signal.SIGTERM)
    assert not nursery.child.runs
