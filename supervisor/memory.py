"""The memory limits of running attempts: what a worker and all below it use, sampled while one with a limit runs."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from jobworker.store.limits import MIB
from jobworker.supervisor.procfs import PAGE_BYTES, RSS_PAGES, read_all, read_pss
from jobworker.supervisor.tree import Children, descendants

#: Between two samples. What allocates faster is the container's limit for.
SAMPLE_SECONDS: Final = 0.5
#: How much of the time reading one tree's PSS may take: a gigabyte takes about 10 ms.
PSS_SHARE: Final = 0.05


class Loop(Protocol):
    """The part of an event loop that sampling needs."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        """Call back after so many seconds."""
        ...


class Sample(Struct, frozen=True):
    """One pass over /proc."""

    children: Children
    #: By pid; zombies have none.
    rss_bytes: dict[int, int]

    def tree(self, root: int) -> list[int]:
        """Return `root` and all that is below it."""
        return [root, *descendants(self.children, root)]

    def rss_of(self, pids: list[int]) -> int:
        """Return the sum of their resident memory: what they share counts once for each of them."""
        return sum(self.rss_bytes.get(pid, 0) for pid in pids)


def take_sample() -> Sample:
    """Read every process of this host once: its parent and its memory stand in the same line."""
    children: Children = {}
    rss_bytes: dict[int, int] = {}
    for pid, stat in read_all():
        fields = stat.split(b" ", RSS_PAGES + 1)
        children.setdefault(int(fields[1]), []).append(pid)
        rss_bytes[pid] = int(fields[RSS_PAGES]) * PAGE_BYTES
    return Sample(children, rss_bytes)


class MemoryWatch:
    """Owns the limits of running attempts.

    Told:   an attempt with a limit began, an attempt ended (by the desk).
    Tells:  the desk, which worker's tree uses more than it may.
    Ends:   its sampling, while no attempt has a limit.
    """

    def __init__(
        self,
        loop: Loop,
        exceeded: Callable[[int, int], None],
        *,
        sample: Callable[[], Sample] = take_sample,
        pss: Callable[[int], int | None] = read_pss,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._exceeded = exceeded
        self._sample = sample
        self._pss = pss
        self._clock = clock
        self._limits: dict[int, int] = {}
        self._pss_not_before: dict[int, float] = {}
        self._sampling = False

    def watch(self, worker: int, limit_mb: int) -> None:
        """Watch a worker's tree until its attempt ends."""
        self._limits[worker] = limit_mb * MIB
        if not self._sampling:
            self._sampling = True
            self._loop.call_later(SAMPLE_SECONDS, self._look)

    def forget(self, worker: int) -> None:
        """Watch a worker no longer."""
        if self._limits.pop(worker, None) is not None:
            self._pss_not_before.pop(worker, None)

    def _look(self) -> None:
        self._sampling = bool(self._limits)
        if not self._sampling:
            return
        self._loop.call_later(SAMPLE_SECONDS, self._look)
        sample = self._sample()
        for worker, limit_bytes in list(self._limits.items()):
            used_bytes = self._used_bytes(sample, worker, limit_bytes)
            # What was told of one may have ended another.
            if used_bytes > limit_bytes and worker in self._limits:
                self._exceeded(worker, used_bytes)

    def _used_bytes(self, sample: Sample, worker: int, limit_bytes: int) -> int:
        tree = sample.tree(worker)
        rss_bytes = sample.rss_of(tree)
        if rss_bytes <= limit_bytes or len(tree) == 1:
            return rss_bytes
        return self._shared_fairly(sample, worker, tree)

    def _shared_fairly(self, sample: Sample, worker: int, tree: list[int]) -> int:
        """Return the PSS of a tree, 0 while it may not be read again: forks share pages, which RSS counts for each."""
        begun_at = self._clock()
        if begun_at < self._pss_not_before.get(worker, begun_at):
            return 0
        found = [(pid, self._pss(pid)) for pid in tree]
        took_seconds = self._clock() - begun_at
        self._pss_not_before[worker] = begun_at + took_seconds / PSS_SHARE
        return sum(sample.rss_bytes.get(pid, 0) if pss is None else pss for pid, pss in found)
