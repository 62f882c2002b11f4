"""What /proc tells of a process."""

import os
import signal
import subprocess
from pathlib import Path

from jobworker.supervisor.procfs import Signals, read_signals, read_stat


def test_a_name_with_blanks_and_parentheses_hides_nothing() -> None:
    comm = Path("/proc/self/comm")
    name = comm.read_text()
    comm.write_text("a) Z 1 (")
    stat = read_stat(os.getpid())
    comm.write_text(name)
    assert stat is not None
    state, parent, _ = stat.split(b" ", 2)
    assert (state, int(parent)) == (b"R", os.getppid())


def test_a_process_that_is_gone_has_none() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    assert read_stat(gone.pid) is None


def test_a_signal_is_caught_by_whom_it_has_a_handler() -> None:
    signals = read_signals(os.getpid())
    assert signals.catches(signal.SIGINT)
    assert not signals.catches(signal.SIGKILL)


def test_a_signal_is_blocked_by_who_says_so() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMAX})
    signals = read_signals(os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert signals.blocks(signal.SIGRTMAX)
    assert not signals.blocks(signal.SIGINT)


def test_who_is_gone_catches_nothing() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    assert read_signals(gone.pid) == Signals()
