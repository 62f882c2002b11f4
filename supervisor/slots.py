"""The places that workers fill, and which are held empty because what fills them keeps dying."""

from collections import deque
from collections.abc import Callable, Container, Iterator
from typing import Final

import msgspec
from msgspec import Struct

#: How long a place is held the first time; doubles with each worker that dies there on trial, up to the longest.
FIRST_HOLD_SECONDS: Final = 5.0
LONGEST_HOLD_SECONDS: Final = 300.0


class Restarts(Struct, frozen=True):
    """How many deaths that nobody asked for a slot bears, within how many seconds."""

    #: A job that crashes each worker it meets has at most `max_crashes` (3) of them, wherever it runs.
    most: int = 10
    within_seconds: float = 60.0


class Held(Struct, frozen=True):
    """A slot that is not filled for the time being."""

    slot: int
    until: float
    why: str


class _Slot:
    """What is remembered of one slot. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self.deaths: deque[float] = deque()
        self.held: Held | None = None
        self.hold_seconds = FIRST_HOLD_SECONDS
        #: Until when its worker is on trial: a death holds the slot again at once.
        self.trial_until = 0.0


class Slots:
    """Owns the slots: as many as there are workers and spares, counted from 0.

    Told:   who died unasked, and when a slot is wanted (by the pool).
    """

    def __init__(self, restarts: Restarts, clock: Callable[[], float]) -> None:
        self._restarts = restarts
        self._clock = clock
        self._slots: dict[int, _Slot] = {}

    def take(self, count: int, taken: Container[int]) -> int | None:
        """Return the first of `count` slots that is neither taken nor held; None: all are."""
        held = {one.slot for one in self.held()}
        return next((slot for slot in range(count) if slot not in taken and slot not in held), None)

    def held(self) -> Iterator[Held]:
        """Yield the slots that are held now."""
        now = self._clock()
        return (slot.held for slot in self._slots.values() if slot.held is not None and slot.held.until > now)

    def died(self, number: int, why: str, *, most_held: int) -> Held | None:
        """Count a death; return the slot if it is held from now on. Never more than `most_held` are."""
        now, slot = self._clock(), self._slots.setdefault(number, _Slot())
        slot.deaths.append(now)
        while slot.deaths[0] < now - self._restarts.within_seconds:
            slot.deaths.popleft()
        if now >= slot.trial_until:
            slot.hold_seconds = FIRST_HOLD_SECONDS
        too_many = len(slot.deaths) > self._restarts.most or now < slot.trial_until
        if not too_many or sum(1 for _ in self.held()) >= most_held:
            return None
        return self._hold(slot, number, why)

    def explain(self, held: Held, why: str) -> None:
        """Say more of why a slot is held."""
        slot = self._slots[held.slot]
        if slot.held is held:
            slot.held = msgspec.structs.replace(held, why=why)

    def _hold(self, slot: _Slot, number: int, why: str) -> Held:
        slot.held = Held(number, self._clock() + slot.hold_seconds, why)
        slot.trial_until = slot.held.until + self._restarts.within_seconds
        slot.hold_seconds = min(2 * slot.hold_seconds, LONGEST_HOLD_SECONDS)
        slot.deaths.clear()
        return slot.held
