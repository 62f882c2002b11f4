"""What a 202 means here, as this process last asked Redis, and how the readiness shows it."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from jobworker.store.durability import CHECKS, Durability

#: How old the copy may be. It changes seldom, and each question that Redis denies leaves a line in its ACL LOG.
KNOWN_SECONDS: Final = 10.0


class DurabilityView(Struct, frozen=True):
    """A sentence, and what it is made of; null: Redis does not say."""

    meaning: str
    appendonly: bool | None
    appendfsync: str | None
    maxmemory_policy: str | None
    replicas: int | None
    min_replicas_to_write: int | None
    wait_replicas: int


class Assurance:
    """Keeps a copy of what Redis said, for all threads of the process."""

    def __init__(self, ask: Callable[[], Durability], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._copy: tuple[Durability, float] | None = None

    def durability(self) -> Durability:
        """Return what a 202 means. Raises StoreUnavailable."""
        now, copy = self._clock(), self._copy
        if copy is None or now - copy[1] > KNOWN_SECONDS:
            copy = self._copy = (self._ask(), now)
        return copy[0]


def view_durability(found: Durability) -> DurabilityView:
    """Show it."""
    return DurabilityView(
        meaning=found.meaning,
        appendonly=found.appendonly,
        appendfsync=found.appendfsync,
        maxmemory_policy=found.maxmemory_policy,
        replicas=found.replicas,
        min_replicas_to_write=found.min_replicas_to_write,
        wait_replicas=found.wait_replicas,
    )


def shortcomings(found: Durability) -> Iterator[str]:
    """Yield a sentence for each way in which accepted jobs could be lost that need not be."""
    for finding in (check(found) for check in CHECKS):
        if finding.level != "ok":
            yield f"{finding.fact}; {finding.advice}"
