"""The roster: what only this process knows of its workers, for everybody who asks who runs what."""

import os
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobworker.store.roster import HeldSlot, HeldType, Roster, RosterEntry
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.breaker import Breaker, Hold
from jobworker.supervisor.clock import RedisClock
from jobworker.supervisor.lag import LagSelector
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.procfs import PAGE_BYTES, RSS_PAGES, read_stat
from jobworker.supervisor.slots import Held
from jobworker.supervisor.stale import StaleWrites

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

    def __init__(
        self,
        pool: Pool,
        breaker: Breaker,
        lag: LagSelector,
        stale: StaleWrites,
        *,
        clock_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        self._pool = pool
        self._breaker = breaker
        self._lag = lag
        self._stale = stale
        self._clock_ns = clock_ns
        self._usages: dict[int, Usage] = {}

    def write(self, clock: RedisClock) -> Roster:
        """Return the roster as it is now."""
        self._read_some()
        pool = self._pool
        return Roster(
            workers=tuple(self._entry(worker, clock) for worker in pool.workers.values()),
            restarts=pool.deaths.count,
            loop_lag_ms=round(1000 * self._lag.recent_seconds, 3),
            loop_lag_most_ms=round(1000 * self._lag.most_seconds, 3),
            held_types=tuple(_held_type(hold, clock) for hold in self._breaker.holds),
            held_slots=tuple(self._held_slot(held, clock) for held in pool.crew.slots.held()),
            stale=pool.releases.stale,
            stale_writes=self._stale.count,
        )

    def _held_slot(self, held: Held, clock: RedisClock) -> HeldSlot:
        # The slots go by the loop's clock: what is left of the time is the same on both.
        left_ns = round(1e9 * (held.until - time.monotonic()))
        return HeldSlot(held.slot, clock.at_ms(self._clock_ns() + left_ns), held.why)

    def _read_some(self) -> None:
        now_ns = self._clock_ns()
        self._usages = {pid: usage for pid, usage in self._usages.items() if pid in self._pool.workers}
        due = [pid for pid in self._pool.workers if now_ns - self._read_ns(pid) >= GOOD_FOR_NS]
        for pid in sorted(due, key=self._read_ns)[:READ_PER_PASS]:
            self._usages[pid] = read_usage(pid, now_ns)

    def _read_ns(self, pid: int) -> int:
        return self._usages.get(pid, _UNREAD).read_ns

    def _entry(self, worker: WorkerProcess, clock: RedisClock) -> RosterEntry:
        usage = self._usages.get(worker.pid, _UNREAD)
        return RosterEntry(
            pid=worker.pid,
            state=worker.stage.value,
            started_ms=clock.at_ms(worker.started_ns),
            jobs=worker.jobs,
            rss_bytes=usage.rss_bytes,
            cpu_seconds=usage.cpu_seconds,
        )


def _held_type(hold: Hold, clock: RedisClock) -> HeldType:
    return HeldType(hold.type, hold.why, clock.at_ms(hold.since_ns), clock.at_ms(hold.until_ns))


def read_usage(pid: int, now_ns: int) -> Usage:
    """Read one process. psutil opens two files for it and takes five times as long."""
    stat = read_stat(pid)
    if stat is None:
        return Usage(now_ns)
    fields = stat.split()
    cpu_seconds = sum(map(int, fields[_CPU_TICKS])) / _TICKS_PER_SECOND
    return Usage(now_ns, int(fields[RSS_PAGES]) * PAGE_BYTES, cpu_seconds)
