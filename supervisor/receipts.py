"""What an attempt costs: metered in its worker; reckoned by the supervisor when the worker died of it.

In both, CPU time has that of the children that were waited for. Of an attempt that was killed or crashed it has that of
the processes too that it left in the session of its worker, for the supervisor reaps them: then it is exact. What had
left that session, or nobody could wait for because SIGCHLD was ignored, is not in it: then it is a lower bound.
"""

import resource
import time
from contextlib import suppress
from typing import Final, Self

from msgspec import Struct

from jobworker.store.job import Receipt
from jobworker.supervisor.board import Board

#: A shorter attempt tells no peak.
PEAK_FROM_SECONDS: Final = 0.010
#: By how much a peak may be that of the attempt before.
PEAK_SLACK_KIB: Final = 256


class Meter:
    """Measures one attempt at a time, children that it waited for included."""

    def __init__(self) -> None:
        self._started = 0.0
        self._cpu = (0.0, 0.0)
        self._peak_kib = _peak_kib()
        self._floor_kib = 0

    def start(self) -> tuple[int, int, int]:
        """Begin an attempt; return what the board is to keep of it."""
        # Only what raised the peak needs it forgotten: that costs more than most small jobs.
        if self._peak_kib > self._floor_kib + PEAK_SLACK_KIB:
            _forget_peak()
            self._floor_kib = self._peak_kib = _peak_kib()
        own, children = _usages()
        self._cpu = user, system = own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime
        self._started = time.perf_counter()
        return int(user * 1e6), int(system * 1e6), children.ru_maxrss

    def stop(self) -> Receipt:
        """End it and return what it cost."""
        wall_seconds = time.perf_counter() - self._started
        own, children = _usages()
        user, system = own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime
        self._peak_kib = own.ru_maxrss
        return _receipt(wall_seconds, user - self._cpu[0], system - self._cpu[1], self._peak_kib)


class Cpu(Struct, frozen=True):
    """CPU time in user and in kernel mode."""

    user_seconds: float = 0.0
    system_seconds: float = 0.0

    def __add__(self, other: "Cpu") -> "Cpu":
        """Return both together."""
        return Cpu(self.user_seconds + other.user_seconds, self.system_seconds + other.system_seconds)

    @classmethod
    def of(cls, usage: resource.struct_rusage) -> Self:
        """Return that of a process that was waited for, with all that it had waited for."""
        return cls(usage.ru_utime, usage.ru_stime)


class Remains(Struct, frozen=True):
    """What a dead worker tells of its last attempt."""

    #: On the monotonic clock, as `died_at`.
    began_at: float
    died_at: float
    cpu: Cpu
    #: None: it cannot be told from that of an earlier attempt's children.
    peak_kib: int | None

    @classmethod
    def of(cls, usage: resource.struct_rusage, board: Board) -> Self:
        """Read them, just after the worker was reaped."""
        user_us, system_us, children_peak_kib = board.baseline
        return cls(
            began_at=board.started_ns / 1e9,
            died_at=time.monotonic(),
            # The kernel scales what it has sampled, so a part may seem to shrink.
            cpu=Cpu(max(0.0, usage.ru_utime - user_us / 1e6), max(0.0, usage.ru_stime - system_us / 1e6)),
            # Whoever reaps it is told the peak of its children too, and theirs are those of its whole life.
            peak_kib=usage.ru_maxrss if usage.ru_maxrss > children_peak_kib else None,
        )

    def receipt(self, orphans: Cpu, tree_bytes: int = 0) -> Receipt:
        """Return what the attempt cost, with what it left to be reaped, and what it was once seen to use altogether."""
        cpu = self.cpu + orphans
        seen_kib = tree_bytes // 1024 or None
        peak_kib = max(filter(None, (self.peak_kib, seen_kib)), default=None)
        return _receipt(self.died_at - self.began_at, cpu.user_seconds, cpu.system_seconds, peak_kib)


def _receipt(wall_seconds: float, user_seconds: float, system_seconds: float, peak_kib: int | None) -> Receipt:
    if wall_seconds < PEAK_FROM_SECONDS:
        peak_kib = None
    return Receipt(
        wall_seconds=round(wall_seconds, 6),
        cpu_user_seconds=round(user_seconds, 6),
        cpu_system_seconds=round(system_seconds, 6),
        peak_rss_bytes=None if peak_kib is None else peak_kib * 1024,
    )


def _forget_peak() -> None:
    # Not everywhere allowed (some sandboxes): then the peak is that of the worker, which is an upper bound.
    with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123 - hot path
        file.write("5")


def _peak_kib() -> int:
    # Of a process that was forked and runs no other program: since its start, or since `_forget_peak`.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _usages() -> tuple[resource.struct_rusage, resource.struct_rusage]:
    return resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
