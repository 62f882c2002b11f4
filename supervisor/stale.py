"""What we would have written of attempts that are no longer ours: nothing was, and somebody may wonder how often."""

from collections import OrderedDict
from typing import Final

import structlog

from jobworker.store.claims import Attempted

log = structlog.get_logger("jobworker.stale")

#: How many attempts are remembered, so that none is told twice.
REMEMBERED: Final = 10_000


class StaleWrites:
    """Owns the count of refused writes.

    Told:   an attempt was refused (by exchange and reporter).
    Tells:  the log, once an attempt; the roster, how many there were.
    """

    def __init__(self) -> None:
        #: Attempts of which something was refused since the supervisor started.
        self.count = 0
        self._known: OrderedDict[Attempted, None] = OrderedDict()

    def refused(self, attempted: Attempted, why: str) -> None:
        """Count an attempt of which nothing is written any more; `why` is Redis's word."""
        if attempted in self._known:
            return
        self.count += 1
        self._known[attempted] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        log.warning("an attempt is no longer ours; what it comes to is dropped", job=attempted.id, why=why)
