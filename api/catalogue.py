"""What the supervisors can run, as this process last read it."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from jobworker.store.callback import RESERVED
from jobworker.store.catalogue import HandlerEntry

#: How old the copy may be when it has what is asked for.
KNOWN_SECONDS: Final = 1.0
#: How old when it has not: a type registered just now should count, a flood of unknown ones not reach Redis.
UNKNOWN_SECONDS: Final = 0.2


class _Copy(Struct, frozen=True):
    entries: Mapping[str, HandlerEntry]
    read_at: float


class Catalogue:
    """Keeps a copy of the catalogue, for all threads of the process.

    Threads that find it old may read it twice; a lock would let them wait for each other's timeouts.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, HandlerEntry]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._copy: _Copy | None = None

    def find(self, type_name: str) -> HandlerEntry | None:
        """Return the entry of a type. Raises StoreUnavailable."""
        entry = self._entries(KNOWN_SECONDS).get(type_name)
        return entry if entry is not None else self._entries(UNKNOWN_SECONDS).get(type_name)

    def types(self) -> list[str]:
        """Return the names of all types that a job may have, sorted; none: no supervisor came within seven days."""
        return sorted(name for name in self._entries(KNOWN_SECONDS) if not name.startswith(RESERVED))

    def entries(self) -> Mapping[str, HandlerEntry]:
        """Return the entry of each type. Raises StoreUnavailable."""
        return self._entries(KNOWN_SECONDS)

    def _entries(self, max_age_seconds: float) -> Mapping[str, HandlerEntry]:
        now = self._clock()
        copy = self._copy
        if copy is None or now - copy.read_at > max_age_seconds:
            copy = self._copy = _Copy(self._read(), now)
        return copy.entries
