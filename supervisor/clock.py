"""Redis's clock, as far as this host can tell it without asking."""

from collections.abc import Callable

from jobworker.supervisor.board import boottime_ns


class RedisClock:
    """Goes on from an epoch, which is Redis's clock in µs when its supervisor registered."""

    def __init__(self, epoch: int, clock_ns: Callable[[], int] = boottime_ns) -> None:
        self._ahead_ns = epoch * 1000 - clock_ns()
        self._clock_ns = clock_ns

    def now_ms(self) -> int:
        """Return what Redis's clock shows now."""
        return self.at_ms(self._clock_ns())

    def at_ms(self, boottime_ns: int) -> int:
        """Return what it showed at a time of CLOCK_BOOTTIME."""
        return (boottime_ns + self._ahead_ns) // 1_000_000
