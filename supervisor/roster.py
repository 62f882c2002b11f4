"""The roster: what only this process knows of its workers, for everybody who asks who runs what."""

import os
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobworker.store.roster import Roster, RosterEntry
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.procfs import PAGE_BYTES, RSS_PAGES, read_stat

#: A pass reads this many workers at most, those read longest ago: about a millisecond of the loop.
READ_PER_PASS: Final = 100
#: What was read is good for this long: beats come in bursts when clients cancel.
GOOD_FOR_NS: Final = 1_000_000_000

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
#: Where /proc/PID/stat has them, counted from the state: own and children's time in user and kernel mode.
_CPU_TICKS: Final = slice(11, 15)


class Usage(Struct, frozen=True):
    """What a worker used when it was read."""

    read_ns: int
    rss_bytes: int | None = None
    cpu_seconds: float | None = None


_UNREAD: Final = Usage(-GOOD_FOR_NS)


class RosterKeeper:
    """Owns what was last read of each worker's memory and CPU time.

    Told:   write (by the lease, for a beat).
    """

    def __init__(self, pool: Pool, epoch: int, *, clock_ns: Callable[[], int] = boottime_ns) -> None:
        self._pool = pool
        self._clock_ns = clock_ns
        # The epoch is Redis's clock when we registered: since then ours has gone as far as Redis's.
        self._redis_ahead_ns = epoch * 1000 - clock_ns()
        self._usages: dict[int, Usage] = {}

    def write(self) -> Roster:
        """Return the roster as it is now."""
        self._read_some()
        return Roster(tuple(map(self._entry, self._pool.workers.values())), self._pool.restarts)

    def _read_some(self) -> None:
        now_ns = self._clock_ns()
        self._usages = {pid: usage for pid, usage in self._usages.items() if pid in self._pool.workers}
        due = [pid for pid in self._pool.workers if now_ns - self._read_ns(pid) >= GOOD_FOR_NS]
        for pid in sorted(due, key=self._read_ns)[:READ_PER_PASS]:
            self._usages[pid] = read_usage(pid, now_ns)

    def _read_ns(self, pid: int) -> int:
        return self._usages.get(pid, _UNREAD).read_ns

    def _entry(self, worker: WorkerProcess) -> RosterEntry:
        usage = self._usages.get(worker.pid, _UNREAD)
        return RosterEntry(
            pid=worker.pid,
            state=worker.stage.value,
            started_ms=(worker.started_ns + self._redis_ahead_ns) // 1_000_000,
            jobs=worker.jobs,
            rss_bytes=usage.rss_bytes,
            cpu_seconds=usage.cpu_seconds,
        )


def read_usage(pid: int, now_ns: int) -> Usage:
    """Read one process. psutil opens two files for it and takes five times as long."""
    stat = read_stat(pid)
    if stat is None:
        return Usage(now_ns)
    fields = stat.split()
    cpu_seconds = sum(map(int, fields[_CPU_TICKS])) / _TICKS_PER_SECOND
    return Usage(now_ns, int(fields[RSS_PAGES]) * PAGE_BYTES, cpu_seconds)
