"""What dead supervisors left: found by their mark, executed or forked, and nothing else is touched."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from jobworker.supervisor import predecessors
from jobworker.supervisor.predecessors import TREE, end_trees
from tests.support.command import is_gone
from tests.support.waiting import wait_until

#: Marks itself, forks a daemon that closes what it has inherited, and dies; the daemon says its pid and stays.
FORKS = """
import os, sys, time
from jobworker.supervisor.predecessors import mark_forks
mark_forks(sys.argv[1])
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.closerange(0, 64)
    time.sleep(600)
os._exit(0)
"""


@pytest.fixture
def lock_id() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def left() -> Iterator[list[int]]:
    """Yield a list of pids that are killed in the end, whatever became of them."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)


def leave_executed(environ: dict[str, str], command: str = "sleep 600") -> int:
    """Leave a process that nobody waits for."""
    shell = f"{command} >&2 2>/dev/null & echo $!"
    run = subprocess.run(["sh", "-c", shell], env={**os.environ, **environ}, stdout=subprocess.PIPE, check=True)
    return int(run.stdout)


def leave_forked(lock_id: str) -> int:
    command = [sys.executable, "-c", FORKS, lock_id]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def is_dead(pid: int) -> bool:
    try:
        return is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_what_was_executed_and_what_was_only_forked_is_ended_and_told(lock_id: str, left: list[int]) -> None:
    left += [leave_executed({TREE: f"one:{lock_id}"}), leave_forked(lock_id)]
    with capture_logs() as logs:
        end_trees("one", [uuid.uuid4().hex, lock_id])
    assert all(map(is_dead, left))
    assert [(line["event"], line["processes"]) for line in logs] == [
        ("what jobs of a dead supervisor left running is ended", 2)
    ]


def test_what_is_below_it_dies_too_though_it_has_laid_the_mark_down(lock_id: str, left: list[int]) -> None:
    root = leave_executed({TREE: f"one:{lock_id}"}, "sh -c 'env -i sleep 600; exit'")
    left.append(root)
    shell = psutil.Process(root)
    wait_until(shell.children)
    left += [child.pid for child in shell.children()]
    wait_until(lambda: Path(f"/proc/{left[1]}/environ").read_bytes() == b"")
    end_trees("one", [lock_id])
    assert all(map(is_dead, left))


def test_others_are_not_touched(lock_id: str, left: list[int]) -> None:
    living = uuid.uuid4().hex
    left += [leave_executed({TREE: f"one:{living}"}), leave_forked(living), leave_executed({})]
    with capture_logs() as logs:
        end_trees("one", [lock_id])
        end_trees("one", [])
    assert (not any(map(is_dead, left)), logs) == (True, [])


def test_who_is_of_such_a_tree_itself_does_not_end_itself(lock_id: str) -> None:
    script = f"from jobworker.supervisor.predecessors import end_trees; end_trees('one', ['{lock_id}']); print('lives')"
    environ = {**os.environ, TREE: f"one:{lock_id}"}
    inner = f'{sys.executable} -c "{script}"; exit'
    ran = subprocess.run(["sh", "-c", inner], env=environ, stdout=subprocess.PIPE, timeout=30, check=True)
    assert ran.stdout == b"lives\n"


def test_what_cannot_be_killed_is_named_and_not_waited_for(
    lock_id: str, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    left.append(leave_executed({TREE: f"one:{lock_id}"}))
    monkeypatch.setattr(predecessors, "send", lambda *_: None)
    monkeypatch.setattr(predecessors, "END_SECONDS", 0.01)
    with capture_logs() as logs:
        end_trees("one", [lock_id])
    assert [(line["event"], line["pids"]) for line in logs] == [
        ("processes that a dead supervisor left cannot be killed", left)
    ]
