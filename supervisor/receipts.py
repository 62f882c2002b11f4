"""What an attempt costs, metered in its worker."""

import resource
import time
from contextlib import suppress
from typing import Final

from jobworker.store.job import Receipt

#: Below this, asking for the peak costs more than it tells.
PEAK_FROM_SECONDS: Final = 0.010


class Meter:
    """Measures one attempt at a time, children that it waited for included."""

    def __init__(self) -> None:
        self._started = 0.0
        self._cpu = (0.0, 0.0)

    def start(self) -> None:
        """Begin an attempt."""
        self._cpu = _cpu_seconds()
        self._started = time.perf_counter()

    def stop(self) -> Receipt:
        """End it and return what it cost."""
        wall_seconds = time.perf_counter() - self._started
        user, system = _cpu_seconds()
        return Receipt(
            wall_seconds=round(wall_seconds, 6),
            cpu_user_seconds=round(user - self._cpu[0], 6),
            cpu_system_seconds=round(system - self._cpu[1], 6),
            peak_rss_bytes=_peak_rss_bytes() if wall_seconds >= PEAK_FROM_SECONDS else None,
        )


def reset_peak() -> None:
    """Forget the peak of the past: `ru_maxrss` is of the process's life, VmHWM since the last reset."""
    # Not everywhere allowed (some sandboxes): then the peak is that of the worker, which is an upper bound.
    with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123 - hot path
        file.write("5")


def _cpu_seconds() -> tuple[float, float]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + children.ru_utime, own.ru_stime + children.ru_stime


def _peak_rss_bytes() -> int | None:
    with suppress(OSError, ValueError), open("/proc/self/status", "rb") as file:  # noqa: PTH123 - hot path
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
