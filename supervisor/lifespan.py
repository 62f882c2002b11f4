"""How long a worker lives: after so many jobs, so much time or so much memory another takes its place."""

import math
import random
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobworker.store.limits import MIB
from jobworker.supervisor.procfs import PAGE_BYTES, RSS_PAGES, read_stat

#: Limits are lowered by up to this part, by chance: workers forked together do not end together.
JITTER: Final = 0.1
#: How often a worker looks at its memory at most.
LOOK_SECONDS: Final = 0.1


class LifespanLimits(Struct, frozen=True):
    """What a worker may reach; 0: any."""

    jobs: int = 0
    age_seconds: float = 0.0
    rss_mb: int = 0


class Lifespan:
    """Owns what one worker has reached; it is looked at between two jobs."""

    def __init__(self, limits: LifespanLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        part = 1 - random.uniform(0, JITTER)  # noqa: S311 - spreads load, guards nothing
        self._jobs_left = math.ceil(limits.jobs * part) or math.inf
        self._clock = clock
        self._ends_at = clock() + (limits.age_seconds * part or math.inf)
        self._most_pages = limits.rss_mb * MIB // PAGE_BYTES or math.inf
        self._looks_at = 0.0
        self._has_limit = limits != LifespanLimits()

    def why_it_ends(self) -> str:
        """Count a job; return why it was the last one, or ""."""
        if not self._has_limit:
            return ""
        self._jobs_left -= 1
        if self._jobs_left <= 0:
            return "it has run as many jobs as worker_max_jobs lets it"
        now = self._clock()
        if now >= self._ends_at:
            return "it is as old as worker_max_age lets it become"
        return self._look_at_memory(now)

    def _look_at_memory(self, now: float) -> str:
        if self._most_pages == math.inf or now < self._looks_at:
            return ""
        self._looks_at = now + LOOK_SECONDS
        pages = _resident_pages()
        if pages <= self._most_pages:
            return ""
        return f"it keeps {pages * PAGE_BYTES // MIB} MB of memory, more than worker_max_rss_mb"


def _resident_pages() -> int:
    # Not getrusage: its figure is the highest ever, and a job that gave its memory back is no leak.
    stat = read_stat("self")
    return 0 if stat is None else int(stat.split()[RSS_PAGES])
