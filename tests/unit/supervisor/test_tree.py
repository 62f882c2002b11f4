"""Killing process trees, escapees included. The deeds are done in a process of their own: it becomes a subreaper."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jobworker.supervisor.tree import (
    EMPTY_PASSES,
    Children,
    Killer,
    descendants,
    freeze,
    read_children,
    send,
    thaw,
)
from tests.support.waiting import wait_until

#: A supervisor with two children, one of which has a child and two escapees; prints their pids, then does the deed.
DEED = """
import asyncio, os, signal, sys, time
from jobworker.supervisor.process import become_subreaper
from jobworker.supervisor.tree import EMPTY_PASSES, Children, Killer, read_children, descendants

def child(body=None):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if body: body()
        os.write(writing, b"x")
        while True: time.sleep(600)
    os.read(reading, 1)
    os.close(reading), os.close(writing)
    return pid

def escape():
    if os.fork() == 0:
        os.setsid()
        child()
        os._exit(0)
    os.wait()

def family():
    become_subreaper()
    child()
    escape()
    escape()

def lives(pid):
    try: return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except OSError: return False

def living(pids): return [pid for pid in pids if lives(pid)]

become_subreaper()
bystander, worker = child(), child(family)
below = list(descendants(read_children(), worker))
assert len(below) == 3, below
"""


def do(deed: str) -> str:
    done = subprocess.run([sys.executable, "-c", DEED + deed], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_tree_dies_with_its_escapees_and_nobody_else() -> None:
    do("""
killer = Killer()
killer.kill_now([worker])
os.waitpid(worker, 0)
assert living(below) == [] and living([bystander]) == [bystander]
killer.kill_now([bystander])
""")


def test_the_killer_kills_what_it_is_told_while_the_loop_runs() -> None:
    do("""
async def main():
    killer = Killer()
    running = asyncio.create_task(killer.run())
    killer.kill(worker), killer.kill(bystander)
    while os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None: await asyncio.sleep(0.001)
    assert living([*below, worker]) == []
    os.waitpid(bystander, 0)
    running.cancel()
asyncio.run(main())
""")


def test_the_worker_dies_last_so_that_nothing_slips_out() -> None:
    do("""
killer = Killer()
order = []
import jobworker.supervisor.tree as tree
send = tree.send
tree.send = lambda pid, number: (order.append((pid, number)), send(pid, number))
killer.kill_now([worker])
assert order[0] == (worker, signal.SIGSTOP)
assert order[-1] == (worker, signal.SIGKILL)
assert {pid for pid, number in order[1:-1]} == set(below)
Killer().kill_now([bystander])
""")


def test_what_a_dead_worker_left_to_us_is_ended_and_our_workers_are_not() -> None:
    do("""
os.kill(worker, signal.SIGKILL)
os.waitpid(worker, 0)
assert sorted(living(below)) == sorted(below)
asyncio.run(Killer().end_orphans({bystander: None}))
assert living(below) == [] and living([bystander]) == [bystander]
Killer().kill_now([bystander])
""")


def test_a_worker_forked_while_orphans_are_ended_is_spared() -> None:
    do("""
os.kill(worker, signal.SIGKILL)
os.waitpid(worker, 0)
ours = {bystander: None}
async def main():
    ending = asyncio.create_task(Killer().end_orphans(ours))
    await asyncio.sleep(0)
    newcomer = child()
    ours[newcomer] = None
    await ending
    assert living([newcomer]) == [newcomer]
    Killer().kill_now([newcomer, bystander])
asyncio.run(main())
""")


def test_the_deaths_of_many_share_their_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0

    def see_nothing() -> Children:
        nonlocal passes
        passes += 1
        return {}

    monkeypatch.setattr("jobworker.supervisor.tree.read_children", see_nothing)

    async def bury_many() -> None:
        killer = Killer()
        await asyncio.gather(*(killer.end_orphans({}) for _ in range(50)))

    asyncio.run(bury_many())
    assert passes == EMPTY_PASSES


def test_who_gives_up_waiting_for_a_pass_takes_it_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # The children of this very process are other tests': a server, for example.
    monkeypatch.setattr("jobworker.supervisor.tree.read_children", dict[int, list[int]])

    async def give_up_one() -> None:
        killer = Killer()
        first, second = (asyncio.create_task(killer.end_orphans({})) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()

    asyncio.run(give_up_one())


def test_our_own_children_are_found_below_us() -> None:
    child = subprocess.Popen(["/bin/sleep", "600"])
    children = read_children()
    assert child.pid in children[os.getpid()]
    assert child.pid in descendants(children, os.getppid())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.pid not in read_children().get(os.getpid(), [])
    child.wait()


def test_a_name_full_of_parentheses_and_blanks_is_read_over(tmp_path: Path) -> None:
    program = tmp_path / ") R 1 (x"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "600"])
    while Path(f"/proc/{child.pid}/comm").read_text() != ") R 1 (x\n":
        assert child.poll() is None
    assert child.pid in read_children()[os.getpid()]
    child.kill()
    child.wait()


def test_all_generations_are_descendants_and_nobody_else() -> None:
    children = {1: [2, 3], 2: [4], 4: [5], 9: [10]}
    assert sorted(descendants(children, 1)) == [2, 3, 4, 5]
    assert list(descendants(children, 5)) == []


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError, PermissionError])
def test_a_process_that_goes_or_hides_meanwhile_is_left_out(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr("jobworker.supervisor.tree.os.open", refuse)
    assert read_children() == {}


def test_a_signal_to_who_is_gone_is_no_error() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    send(pid, signal.SIGKILL)


def test_who_is_frozen_stands_still_with_its_group_until_it_is_thawed() -> None:
    leader = subprocess.Popen(["/bin/sh", "-c", "sleep 600 & sleep 600"], start_new_session=True)
    shell = psutil.Process(leader.pid)
    # Not before both have become what they are: a shell may stand still itself until its child has.
    wait_until(lambda: [child.name() for child in shell.children()] == ["sleep", "sleep"])
    group = [leader.pid, *descendants(read_children(), leader.pid)]
    freeze(leader.pid)
    wait_until(lambda: {psutil.Process(pid).status() for pid in group} == {psutil.STATUS_STOPPED})
    thaw(leader.pid)
    wait_until(lambda: psutil.STATUS_STOPPED not in {psutil.Process(pid).status() for pid in group})
    Killer().kill_now([leader.pid])
    leader.wait()


def test_a_kill_of_who_is_gone_is_over_at_once() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    killer = Killer()
    killer.kill_now([pid])
    assert killer._roots == {}
