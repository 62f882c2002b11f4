"""What a job leaves running: found below its worker, told from what is not the job's, and ended."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobworker.supervisor import leftovers
from jobworker.supervisor.leftovers import Leftovers

#: A worker with a helper that has a child of its own; what follows is its job. Run by itself: it becomes a subreaper.
WORKER = """
import atexit, multiprocessing, os, signal, subprocess, sys, time
from multiprocessing import forkserver
from jobworker.supervisor.leftovers import Leftovers, reap
from jobworker.supervisor.process import become_subreaper
from jobworker.supervisor.tree import descendants, read_children

def below(): return sorted(descendants(read_children(), os.getpid()))

def wait_for(count):
    while len(below()) != count: time.sleep(0.001)

@atexit.register
def end():
    if os.getpid() == worker:
        for pid in below(): os.kill(pid, signal.SIGKILL)

worker = os.getpid()
become_subreaper()
subprocess.Popen(["/bin/sh", "-c", "sleep 600; exit"])
wait_for(2)
leftovers = Leftovers()
helpers = below()
"""


def do(job: str) -> str:
    done = subprocess.run([sys.executable, "-c", WORKER + job], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def left() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_without_children_there_is_nothing_to_look_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from jobworker.supervisor.leftovers import reap; print(reap())"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "False\n"


def test_what_a_job_forks_is_ended_and_helpers_are_spared_with_what_is_below_them() -> None:
    job = """
for _ in range(3): subprocess.Popen(["sleep", "600"])
ended = leftovers.end()
assert (ended.commands, ended.failure) == (("sleep",) * 3, ""), ended
assert below() == helpers
"""
    do(job)


def test_what_is_kept_stays_also_after_the_next_job() -> None:
    job = """
subprocess.Popen(["sleep", "600"])
leftovers.keep()
kept = below()
subprocess.Popen(["sleep", "600"])
assert leftovers.end().commands == ("sleep",)
assert below() == kept and len(kept) == 3
"""
    do(job)


def test_a_pid_that_has_come_again_is_not_spared() -> None:
    job = """
pid = subprocess.Popen(["sleep", "600"]).pid
leftovers._spared[pid] = b"1"
assert leftovers.end().commands == ("sleep",)
assert below() == helpers
"""
    do(job)


def test_a_fork_server_is_spared_and_what_it_has_forked_is_not() -> None:
    job = """
server = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(600,))
server.start()
wait_for(5)
assert len(leftovers.end().commands) == 1
assert below() == sorted([*helpers, forkserver._forkserver._forkserver_pid,
    multiprocessing.resource_tracker._resource_tracker._pid])
server.join()
"""
    do("if __name__ == '__main__':\n" + "\n".join(f"  {line}" for line in job.splitlines()))


def test_the_dead_are_reaped_and_told_to_nobody() -> None:
    job = """
process = multiprocessing.get_context("fork").Process(target=int)
process.start()
if os.fork() == 0: os._exit(0)
wait_for(2)
assert leftovers.end().commands == ()
assert not process.is_alive() and process.exitcode == 0
"""
    do(job)


def test_what_cannot_be_killed_is_given_up_and_named(
    left: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Leftovers()
    held._spared.pop(left.pid)

    def refuse(_pid: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(leftovers, "END_SECONDS", 0.0)
    monkeypatch.setattr("os.kill", refuse)
    ended = held.end()
    monkeypatch.undo()
    assert ended.failure == "its job left processes that cannot be ended: sleep"
    assert left.poll() is None
