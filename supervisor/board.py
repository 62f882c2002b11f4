"""A page of memory that a supervisor and one worker share: what must be known without a message."""

import mmap
import struct
import time

_NUMBER = struct.Struct("=q")
_STARTED_AT = _NUMBER.size
_BASELINE = struct.Struct("=qqq")
_BASELINE_AT = 2 * _NUMBER.size


def boottime_ns() -> int:
    """Return CLOCK_BOOTTIME: it goes on while the machine sleeps, as Redis's clock does."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Board:
    """Numbers, each written by one side only."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _BASELINE_AT + _BASELINE.size)

    def close(self) -> None:
        """Release the page."""
        self._page.close()

    @property
    def fence_ns(self) -> int:
        """CLOCK_BOOTTIME after which no attempt may begin; written by the supervisor."""
        return int(_NUMBER.unpack_from(self._page, 0)[0])

    @fence_ns.setter
    def fence_ns(self, value: int) -> None:
        _NUMBER.pack_into(self._page, 0, value)

    @property
    def started_ns(self) -> int:
        """CLOCK_MONOTONIC at which the present attempt began; written by the worker."""
        return int(_NUMBER.unpack_from(self._page, _STARTED_AT)[0])

    @started_ns.setter
    def started_ns(self, value: int) -> None:
        _NUMBER.pack_into(self._page, _STARTED_AT, value)

    @property
    def baseline(self) -> tuple[int, int, int]:
        """What the worker had used when the present attempt began; written by the worker before `started_ns`.

        CPU time in user and in kernel mode, in µs, children included; the peak RSS of any child so far, in KiB.
        """
        return _BASELINE.unpack_from(self._page, _BASELINE_AT)

    @baseline.setter
    def baseline(self, value: tuple[int, int, int]) -> None:
        _BASELINE.pack_into(self._page, _BASELINE_AT, *value)
