"""Killing whole process trees: a worker and all that its job has started, escapees included.

A worker is a child subreaper, so what its job orphans (double fork, setsid) stays below it. Freeze the worker, kill
what is below it until nothing is left, then kill the worker: nothing can slip out in between. What does slip through
when a worker dies by itself is adopted by the supervisor, the next subreaper, and ended there.
"""

import asyncio
import math
import os
import signal
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from typing import Final

import structlog

from jobworker.supervisor.procfs import read_all

log = structlog.get_logger("jobworker.tree")

#: Passes over /proc after which what still lives is called unkillable (state D, or another user's).
MAX_PASSES: Final = 200
#: Between two passes.
PAUSE_SECONDS: Final = 0.002
#: Passes in a row that must find nothing: one can miss what forks and dies while it reads.
EMPTY_PASSES: Final = 2

Children = dict[int, list[int]]


def read_children() -> Children:
    """Return the living processes of this host by their parent, in one pass over /proc.

    psutil's `children(recursive=True)` makes one such pass a call and reads more: 24 ms at 370 processes.
    """
    children: Children = {}
    for pid, stat in read_all():
        state, parent, _ = stat.split(b" ", 2)
        if state not in (b"Z", b"X"):
            children.setdefault(int(parent), []).append(pid)
    return children


def descendants(children: Children, root: int) -> Iterator[int]:
    """Yield all that is below `root`."""
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            waiting.append(pid)
            yield pid


def freeze(root: int) -> None:
    """Stop a worker and what has stayed in its process group, at the price of two system calls."""
    send(root, signal.SIGSTOP)
    _send_to_group(root, signal.SIGSTOP)


def thaw(root: int) -> None:
    """Let go on what `freeze` has stopped."""
    send(root, signal.SIGCONT)
    _send_to_group(root, signal.SIGCONT)


def _send_to_group(leader: int, number: signal.Signals) -> None:
    # Before a fresh worker has a group of its own there is none of this number.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        log.warning("a process of a job belongs to another user and cannot be killed", pid=pid)


class Killer:
    """Owns the kills in progress: one pass over /proc serves them all.

    Told:   kill this worker with all that is below it; end what was orphaned to us.
    Tells:  nobody: the death of a worker is seen at its pidfd.
    Ends:   when cancelled.
    """

    def __init__(self) -> None:
        #: By the worker's pid: passes made, and how many of the last found nothing.
        self._roots: dict[int, tuple[int, int]] = {}
        self._wanted = asyncio.Event()
        self._coming: asyncio.Future[Children] | None = None
        self._passed_at = -math.inf

    @property
    def busy(self) -> bool:
        """Whether a kill is in progress."""
        return bool(self._roots)

    def kill(self, root: int) -> None:
        """Kill a tree, soon: within this turn of the loop or the next."""
        freeze(root)
        self._roots.setdefault(root, (0, 0))
        self._wanted.set()

    async def run(self) -> None:
        """Kill what is wanted, for ever."""
        while True:
            await self._wanted.wait()
            await self._next_pass()
            if not self._roots:
                self._wanted.clear()

    def kill_now(self, roots: Iterable[int]) -> None:
        """Kill trees without a loop, when the supervisor itself ends."""
        for root in roots:
            self.kill(root)
        for _ in range(MAX_PASSES):
            self._pass()
            if not self._roots:
                return

    async def _next_pass(self) -> Children:
        """Return what a pass finds that begins after this call: when many workers die at once, one serves all."""
        if self._coming is None:
            loop = asyncio.get_running_loop()
            self._coming = loop.create_future()
            loop.call_at(max(loop.time(), self._passed_at + PAUSE_SECONDS), self._come, loop)
        # Who gives up waiting takes it from nobody.
        return await asyncio.shield(self._coming)

    def _come(self, loop: asyncio.AbstractEventLoop) -> None:
        coming, self._coming = self._coming, None
        assert coming is not None
        coming.set_result(self._pass())
        self._passed_at = loop.time()

    def _pass(self) -> Children:
        children = read_children()
        for root, (passes, empty) in list(self._roots.items()):
            alive = list(descendants(children, root))
            for pid in alive:
                send(pid, signal.SIGKILL)
            empty = 0 if alive else empty + 1
            if empty < EMPTY_PASSES and passes < MAX_PASSES:
                self._roots[root] = (passes + 1, empty)
                continue
            if alive:
                log.error("processes of a job cannot be killed", pids=alive)
            send(root, signal.SIGKILL)
            del self._roots[root]
        return children

    async def end_orphans(self, ours: Container[int]) -> None:
        """Kill what dead workers left to us: all our children but `ours`, and what is below them."""
        empty = 0
        for _ in range(MAX_PASSES):
            children = await self._next_pass()
            # Asked in each pass: workers are forked meanwhile.
            orphans = [pid for pid in children.get(os.getpid(), ()) if pid not in ours]
            empty = 0 if orphans else empty + 1
            if empty == EMPTY_PASSES:
                return
            for orphan in orphans:
                for pid in (orphan, *descendants(children, orphan)):
                    send(pid, signal.SIGKILL)
        log.error("processes that a dead worker left cannot be killed")
