"""One worker process, seen from its supervisor."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from jobworker.supervisor.process import MOST_NICENESS, WORKER_NICENESS, Forker, Stage, niceness_among, raise_open_files
from tests.support.stand_ins import StandIns, shoot

FORK = """
import json, os, resource, signal, sys, threading
from jobworker.supervisor.process import STOP_SIGNALS, Forker, WORKER_BROKEN, niceness_among, raise_open_files
from jobworker.store.sizing import process_count
kept, other = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)

def look(mailbox, board, pipes):
    {look}

soft = raise_open_files()
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
niceness = niceness_among(3, process_count("auto"))
worker = Forker(look, keep={{kept}}, open_files=soft).fork(3)
{then}
"""


def fork(look: str, then: str) -> str:
    program = FORK.format(look=look, then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


#: What Linux's scheduler gives each niceness, beside 1,024 of one that is not nice.
WEIGHTS = {10: 110, 11: 87, 12: 70, 13: 56, 14: 45, 15: 36, 16: 29, 17: 23, 18: 18, 19: 15}


def test_a_worker_that_has_a_cpu_for_itself_is_as_nice_as_one_of_few() -> None:
    assert niceness_among(1, 2) == niceness_among(1, 1) == niceness_among(64, 64) == WORKER_NICENESS


@pytest.mark.parametrize("workers", range(1, 8))
def test_the_workers_of_a_cpu_weigh_together_what_one_would(workers: int) -> None:
    assert workers * WEIGHTS[niceness_among(workers, 1)] == pytest.approx(WEIGHTS[WORKER_NICENESS], rel=0.15)


def test_nobody_is_nicer_than_the_system_lets_anybody_be() -> None:
    assert niceness_among(200, 2) == MOST_NICENESS


WAIT = """
_, status = os.waitpid(worker.pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
"""


def test_a_worker_has_nothing_of_its_supervisor_but_what_it_should() -> None:
    fork(
        """
    # The one that reads the listing is closed again.
    links = {int(fd): os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
    (stack,) = (fd for fd, link in links.items() if "jobworker-stack" in link)
    still_open = {int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
    assert still_open == {0, 1, 2, kept, mailbox.fileno(), *pipes.sinks, stack}, still_open
    assert os.readlink("/proc/self/fd/0") == "/dev/null"
    assert os.getsid(0) == os.getpid()
    assert os.nice(0) == min(19, os.getpriority(os.PRIO_PROCESS, os.getppid()) + niceness)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == soft
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    for number in STOP_SIGNALS: os.kill(os.getpid(), number)
    return 0""",
        WAIT,
    )


def test_its_exit_code_is_what_its_body_returns() -> None:
    fork("return 7", "assert os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1]) == 7")


def test_a_body_that_raises_says_so_and_never_returns_into_the_supervisor() -> None:
    told = fork(
        "raise ValueError('a bug of ours')",
        "assert os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1]) == WORKER_BROKEN; print('once')",
    )
    assert told.count("once") == 1
    assert "ValueError: a bug of ours" in told


def test_mailbox_and_board_connect_the_two() -> None:
    fork(
        "board.started_ns = int(mailbox.receive()); mailbox.send(b'done'); return 0",
        "worker.mailbox.send(b'41'); assert worker.mailbox.receive() == b'done'; assert worker.board.started_ns == 41"
        + WAIT,
    )


def test_it_dies_with_its_supervisor() -> None:
    fork(
        "mailbox.receive()",
        """
reading, writing = os.pipe()
if os.fork() == 0:
    inner = Forker(look, keep={writing}, open_files=soft).fork()
    os.close(reading)
    os.kill(os.getpid(), signal.SIGKILL)
os.close(writing)
# The end of the file: whoever held the other end is dead.
assert os.read(reading, 1) == b""
os.kill(worker.pid, signal.SIGKILL)
""",
    )


def test_it_adopts_what_its_job_orphans() -> None:
    fork(
        """
    reading, writing = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.read(os.open("/dev/null", os.O_RDONLY), 1)
            os.close(writing)
            os._exit(5)
        os._exit(0)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) for _ in range(2))
    return 0 if codes == [0, 5] else 1""",
        WAIT,
    )


def test_beside_a_thread_nothing_is_forked() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    with pytest.raises(AssertionError, match="a fork beside threads"):
        Forker(lambda _mailbox, _board, _pipes: 0, keep=(), open_files=64).fork()
    gate.set()
    thread.join()


def test_a_fork_that_fails_leaves_no_descriptor() -> None:
    fork(
        "return 0",
        WAIT
        + """
def refuse(): raise BlockingIOError(11, "Resource temporarily unavailable")
os.fork = refuse
before = os.listdir("/proc/self/fd")
try:
    Forker(look, keep=(), open_files=soft).fork()
except BlockingIOError:
    assert os.listdir("/proc/self/fd") == before
else:
    raise SystemExit("forked")
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
""",
    )


@pytest.fixture
def limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("limit")
def test_the_limit_of_open_files_is_raised_and_what_it_was_is_told() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    assert raise_open_files() == 512
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_unread_frames_are_recalled_and_read_ones_are_not(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    for number in range(3):
        worker.mailbox.send(b"%d" % number)
    assert worker._theirs.receive() == b"0"
    assert worker.recall() == [b"1", b"2"]
    assert worker.recall() == []


def test_why_a_worker_has_ended_by_itself_is_told_if_it_said_so(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    worker.stage = Stage.BUSY
    worker.board.last_words = "its job had closed it"
    shoot(worker)
    worker.reap()
    worker.close()
    assert worker.doing == "before it reported: its job had closed it"


def test_a_worker_that_handles_no_signals_is_not_killed_by_its_soft_timeout(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    worker.interrupt(7)
    # A signal that is delivered ends it before this one, which stops it, is.
    os.kill(worker.pid, signal.SIGSTOP)
    _, status = os.waitpid(worker.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert worker.board.interrupted == 7


def test_a_dismissed_worker_s_frames_are_recalled_too(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    worker.mailbox.send(b"0")
    worker.dismiss()
    assert worker.recall() == [b"0"]


def test_a_living_worker_is_not_reaped_and_a_dead_one_once(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    assert worker.reap() is None
    assert not worker.reaped
    shoot(worker, signal.SIGTERM)
    assert worker.reap() == signal.SIGTERM
    assert worker.reaped
    with pytest.raises(ChildProcessError):
        worker.reap()
    before = len(os.listdir("/proc/self/fd"))
    worker.close()
    assert len(os.listdir("/proc/self/fd")) == before - 8
    with suppress(ProcessLookupError):
        os.kill(worker.pid, 0)
