"""The deadlines of running attempts: a heap on the monotonic clock, in the parent, where no handler can reach it."""

import heapq
from collections.abc import Callable
from typing import Final, Protocol

#: What is due then comes in the next turn of the loop: others must be heard in between.
EXPIRED_PER_TURN: Final = 50


class Timer(Protocol):
    """What a loop's call_at returns."""

    def cancel(self) -> None:
        """Forget the call."""


class Loop(Protocol):
    """The part of an event loop that deadlines need."""

    def time(self) -> float:
        """Return the monotonic clock in seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at a time of `time()`."""
        ...


class Deadlines:
    """Owns when each attempt must have ended.

    Told:   an attempt began, an attempt ended (by the desk).
    Tells:  the desk, which attempt is overdue; never before its time.
    """

    def __init__(self, loop: Loop, overdue: Callable[[int], None]) -> None:
        self._loop = loop
        self._overdue = overdue
        self._due: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []
        self._timer: Timer | None = None

    def set(self, attempt: int, when: float) -> None:
        """Watch an attempt until `when`; setting it again moves it."""
        self._due[attempt] = when
        heapq.heappush(self._heap, (when, attempt))
        if self._heap[0] == (when, attempt):
            self._rearm()

    def clear(self, attempt: int) -> None:
        """Watch an attempt no longer."""
        self._due.pop(attempt, None)
        # Entries of ended attempts stay in the heap until they surface; when most are such, it is built anew.
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(when, attempt) for attempt, when in self._due.items()]
            heapq.heapify(self._heap)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._expire) if self._heap else None

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        room = EXPIRED_PER_TURN
        while room and self._heap and self._heap[0][0] <= now:
            room -= 1
            when, attempt = heapq.heappop(self._heap)
            if self._due.get(attempt) == when:
                del self._due[attempt]
                self._overdue(attempt)
        if self._timer is None:
            self._rearm()
