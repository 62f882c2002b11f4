"""How often somebody has failed to show a valid key lately, by address."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

#: So many failures of one address within so many seconds are answered as failures; further ones: come again later.
MOST_STRIKES: Final = 20
WINDOW_SECONDS: Final = 10.0
#: Addresses that are remembered at once.
MOST_ADDRESSES: Final = 10_000


class Strikes:
    """Counts failures. Who has a valid key is never held up, whoever fails from the same address, as behind a proxy."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        #: Address -> when its window began, how many failures it has seen.
        self._seen: dict[str, tuple[float, int]] = {}

    def strike(self, address: str) -> float:
        """Note a failure; return for how many seconds there have been too many, 0: there have not."""
        now = self._clock()
        with self._lock:
            began, count = self._seen.get(address, (now, 0))
            if now - began >= WINDOW_SECONDS:
                began, count = now, 0
            if address not in self._seen and len(self._seen) >= MOST_ADDRESSES:
                # The one that came first; who cares to use ten thousand addresses is not stopped by this anyway.
                del self._seen[next(iter(self._seen))]
            self._seen[address] = (began, count + 1)
        return began + WINDOW_SECONDS - now if count >= MOST_STRIKES else 0.0
