"""Dead children of this process, workers or not."""

import os

from jobworker.supervisor.procfs import SESSION, read_stat
from jobworker.supervisor.receipts import Cpu


def peek_child() -> int | None:
    """Return the pid of a dead child that nobody has reaped, and leave it so."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def reap_orphan(pid: int) -> tuple[int, Cpu]:
    """Reap a dead child; return its session and what it used."""
    stat = read_stat(pid)
    _, _, usage = os.wait4(pid, os.WNOHANG)
    return (int(stat.split()[SESSION]) if stat else 0), Cpu.of(usage)
