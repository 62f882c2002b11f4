"""What dead supervisors of our name left running on this host: found by its mark, and ended before anything is claimed.

Workers die with their supervisor, what their jobs have started does not. It bears the lock id of that supervisor: in
its environment if it was executed, in its memory if it was only forked.
"""

import mmap
import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import structlog

from jobworker.supervisor.tree import PAUSE_SECONDS, descendants, read_children, send

log = structlog.get_logger("jobworker.predecessors")

#: The variable that every worker has, and so whatever it executes: `<name>:<lock id>`.
TREE: Final = "JOBWORKER_TREE"
#: How long is tried; what lives then is unkillable (state D, another user's).
END_SECONDS: Final = 3.0

#: Never closed: a handler's memory must not be left to a finaliser of ours.
_marks: Final[list[mmap.mmap]] = []


def mark_forks(lock_id: str) -> None:
    """Mark this process and all that it forks from now on; no daemon can lay that down but by executing something."""
    descriptor = os.memfd_create(_memory_of(lock_id), os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, mmap.PAGESIZE)
        _marks.append(mmap.mmap(descriptor, mmap.PAGESIZE))
    finally:
        os.close(descriptor)


def end_trees(name: str, lock_ids: Collection[str]) -> None:
    """Kill whatever bears the mark of one of these dead supervisors, with all below it, until nothing is left."""
    marks = [mark.encode() for lock_id in lock_ids for mark in (f"{TREE}={name}:{lock_id}", _memory_of(lock_id))]
    # One of them may have started us.
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    ended: set[int] = set()
    give_up_at = time.monotonic() + END_SECONDS
    while found := _bearers(marks) - spared:
        if time.monotonic() > give_up_at:
            log.error("processes that a dead supervisor left cannot be killed", pids=sorted(found))
            return
        for pid in found:
            send(pid, signal.SIGKILL)
        ended |= found
        time.sleep(PAUSE_SECONDS)
    if ended:
        log.warning("what jobs of a dead supervisor left running is ended", processes=len(ended))


def _bearers(marks: Collection[bytes]) -> set[int]:
    children = read_children()
    marked = [pid for below in children.values() for pid in below if _bears(pid, marks)]
    return {*marked, *(pid for root in marked for pid in descendants(children, root))}


def _bears(pid: int, marks: Collection[bytes]) -> bool:
    for file in ("environ", "maps"):
        # Gone meanwhile, or another user's.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            held = Path(f"/proc/{pid}/{file}").read_bytes()
            if any(mark in held for mark in marks):
                return True
    return False


def _memory_of(lock_id: str) -> str:
    return f"jobworker-tree-{lock_id}"
