"""What an attempt costs, metered in its worker."""

import resource
import time
from contextlib import suppress
from typing import Final

from jobworker.store.job import Receipt

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

    def start(self) -> None:
        """Begin an attempt."""
        # Only what raised the peak needs it forgotten: that costs more than most small jobs.
        if self._peak_kib > self._floor_kib + PEAK_SLACK_KIB:
            _forget_peak()
            self._floor_kib = self._peak_kib = _peak_kib()
        self._cpu = _cpu_seconds()
        self._started = time.perf_counter()

    def stop(self) -> Receipt:
        """End it and return what it cost."""
        wall_seconds = time.perf_counter() - self._started
        user, system = _cpu_seconds()
        self._peak_kib = _peak_kib()
        return Receipt(
            wall_seconds=round(wall_seconds, 6),
            cpu_user_seconds=round(user - self._cpu[0], 6),
            cpu_system_seconds=round(system - self._cpu[1], 6),
            peak_rss_bytes=self._peak_kib * 1024 if wall_seconds >= PEAK_FROM_SECONDS else None,
        )


def _forget_peak() -> None:
    # Not everywhere allowed (some sandboxes): then the peak is that of the worker, which is an upper bound.
    with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123 - hot path
        file.write("5")


def _peak_kib() -> int:
    # Of a process that was forked and runs no other program: since its start, or since `_forget_peak`.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cpu_seconds() -> tuple[float, float]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime
