"""A clock that stands still until a test moves it."""

import heapq
from collections.abc import Callable
from itertools import count


class VirtualTimer:
    """One call to come."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualLoop:
    """The part of an event loop that deadlines need."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._number = count()
        self._calls: list[tuple[float, int, VirtualTimer]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        heapq.heappush(self._calls, (when, next(self._number), timer))
        return timer

    @property
    def armed(self) -> list[float]:
        """The times of the calls that are not cancelled."""
        return sorted(when for when, _, timer in self._calls if not timer.cancelled)

    def advance_to(self, when: float) -> None:
        """Make every call that is due by then, each at its time."""
        while self._calls and self._calls[0][0] <= when:
            due, _, timer = heapq.heappop(self._calls)
            if not timer.cancelled:
                self.now = max(self.now, due)
                timer.callback()
        self.now = max(self.now, when)
