"""A page of memory that a supervisor and one worker share: what must be known without a message."""

import mmap
import struct
import time

_FENCE = struct.Struct("=q")
_STARTED_AT = _FENCE.size
_INTERRUPTED = 2 * _FENCE.size


def boottime_ns() -> int:
    """Return CLOCK_BOOTTIME: it goes on while the machine sleeps, as Redis's clock does."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Board:
    """Three numbers, each written by one side only."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 3 * _FENCE.size)

    def close(self) -> None:
        """Release the page."""
        self._page.close()

    @property
    def fence_ns(self) -> int:
        """CLOCK_BOOTTIME after which no attempt may begin; written by the supervisor."""
        return int(_FENCE.unpack_from(self._page, 0)[0])

    @fence_ns.setter
    def fence_ns(self, value: int) -> None:
        _FENCE.pack_into(self._page, 0, value)

    @property
    def started_ns(self) -> int:
        """CLOCK_MONOTONIC at which the present attempt began; written by the worker."""
        return int(_FENCE.unpack_from(self._page, _STARTED_AT)[0])

    @started_ns.setter
    def started_ns(self, value: int) -> None:
        _FENCE.pack_into(self._page, _STARTED_AT, value)

    @property
    def interrupted(self) -> int:
        """Token of the attempt whose soft timeout has passed; written by the supervisor."""
        return int(_FENCE.unpack_from(self._page, _INTERRUPTED)[0])

    @interrupted.setter
    def interrupted(self, token: int) -> None:
        _FENCE.pack_into(self._page, _INTERRUPTED, token)
