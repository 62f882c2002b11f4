"""What a job leaves running is ended by its worker before it reports: no later attempt or job meets it.

The worker is a child subreaper: whatever its jobs have started is below it, detached or not.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from jobworker.supervisor.procfs import read_stat
from jobworker.supervisor.tree import EMPTY_PASSES, PAUSE_SECONDS, Children, descendants, read_children

#: How long is tried; what lives then is unkillable (state D, another user's), or comes again.
END_SECONDS: Final = 0.5
#: So many commands are named, each so far.
NAMED_COMMANDS: Final = 5
COMMAND_CHARACTERS: Final = 100
#: Where /proc/PID/stat has the time of the start, counted from the state: pids come again.
_STARTED: Final = 19


class Ended(Struct, frozen=True):
    """What was left, and what came of it."""

    #: Names of the programs that were ended, without arguments: those may hold secrets.
    commands: tuple[str, ...] = ()
    #: Why this worker must take no further job; "": nothing is left.
    failure: str = ""


NOTHING: Final = Ended()


class Leftovers:
    """Owns which processes below this worker are not to be ended: those that ran before its first job, and kept ones.

    Told:   keep, end (by the worker, after a job that left children).
    """

    def __init__(self) -> None:
        self._root = os.getpid()
        #: Pid → when it started.
        self._spared: dict[int, bytes] = {}
        if reap():
            self.keep()

    def keep(self) -> Ended:
        """Spare from now on whatever runs below this worker, and what that will start."""
        try:
            below = descendants(read_children(), self._root)
            self._spared = {pid: started for pid in below if (started := _started(pid)) is not None}
        except OSError as error:
            return _blind({}, error)
        return NOTHING

    def end(self) -> Ended:
        """Kill what is below this worker and not spared, until nothing is left."""
        found: dict[int, str] = {}
        try:
            left = self._kill_all(found)
        except OSError as error:
            return _blind(found, error)
        failure = f"its job left processes that cannot be ended: {', '.join(_some(left))}" if left else ""
        return Ended(_some(found), failure)

    def _kill_all(self, found: dict[int, str]) -> dict[int, str]:
        """Note in `found` what was there, by pid; return what still is when time is over."""
        give_up_at = time.monotonic() + END_SECONDS
        empty = 0
        while empty < EMPTY_PASSES:
            strays = list(self._strays(read_children()))
            found.update({pid: _command(pid) for pid in strays if pid not in found})
            if strays and time.monotonic() > give_up_at:
                return {pid: found[pid] for pid in strays}
            for pid in strays:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            empty = 0 if strays else empty + 1
            if strays:
                time.sleep(PAUSE_SECONDS)
            if not reap():
                # Exact: what loses its parent becomes our child before that one can be reaped.
                break
        return {}

    def _strays(self, children: Children) -> Iterator[int]:
        helpers = _helpers()
        waiting = [self._root]
        while waiting:
            for pid in children.get(waiting.pop(), ()):
                # Not what a fork server has forked: that is the job's.
                if pid in helpers:
                    waiting.append(pid)
                elif pid not in self._spared or self._spared[pid] != _started(pid):
                    waiting.append(pid)
                    yield pid


def _blind(found: dict[int, str], error: OSError) -> Ended:
    """Say that it cannot be looked: the job may have used up our descriptors, which that takes."""
    return Ended(_some(found), f"what its job left running cannot be looked for: {error.strerror}")


def reap() -> bool:
    """Reap the dead children that nobody has waited for; tell whether a child is left, in a microsecond if none is."""
    while True:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if dead is None:
            return True
        # Its own children multiprocessing must reap itself, or it takes them for alive; this does it.
        multiprocessing.active_children()
        with suppress(ChildProcessError):
            os.waitpid(dead.si_pid, os.WNOHANG)


def _helpers() -> set[Any]:
    """Return the pids of multiprocessing's own helpers: without them the next job's shared memory would not work."""
    places = (
        ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
        ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    )
    # There is no public word for them.
    return {getattr(getattr(sys.modules.get(name), holder, None), pid, None) for name, holder, pid in places} - {None}


def _started(pid: int) -> bytes | None:
    stat = read_stat(pid)
    return None if stat is None else stat.split()[_STARTED]


def _command(pid: int) -> str:
    """Return the name of its program as it was called; what has set a title has its arguments in the same place."""
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        called = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].partition(b" ")[0]
        return called.decode(errors="replace")[:COMMAND_CHARACTERS] or "?"
    return "?"


def _some(commands: dict[int, str]) -> tuple[str, ...]:
    named = list(commands.values())
    more = len(named) - NAMED_COMMANDS
    return (*named[:NAMED_COMMANDS], *([f"{more} more"] if more > 0 else []))
