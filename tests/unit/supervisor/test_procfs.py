"""What /proc tells of a process."""

import os
import signal
import subprocess
from pathlib import Path

from jobworker.supervisor.procfs import catches, read_stat


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
    assert catches(os.getpid(), signal.SIGINT)
    assert not catches(os.getpid(), signal.SIGKILL)


def test_who_is_gone_catches_nothing() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    assert not catches(gone.pid, signal.SIGINT)
