"""The jobs of a soak: they end in every way there is, and whoever saw one end otherwise says so."""

import random
from collections import Counter
from contextlib import suppress
from typing import Final

from msgspec import Struct

from benchmarks.server import Server
from jobworker.store.backoff import Backoff
from jobworker.store.errors import JobNotFound, WrongState
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.states import ENDED

#: Jobs that wait or run at any time: more than workers, so that a claim takes several.
UNDER_WAY: Final = 24
#: Attempts that outside kills may cost a job that is to succeed.
PATIENCE: Final = 1000


class Kind(Struct, frozen=True):
    """Jobs of one type."""

    #: Of so many jobs, how many are of this kind: those that take a second are few, or nothing else is done.
    share: int
    #: How they end, whatever befalls their workers.
    ends: str
    timeout_seconds: float = 20.0
    attempts: int = 1
    memory_limit_mb: int | None = None


KINDS: Final = {
    "soak.print": Kind(80, "succeeded"),
    "soak.retry": Kind(10, "succeeded", attempts=PATIENCE),
    "soak.fail": Kind(10, "failed"),
    "soak.hang": Kind(4, "failed", timeout_seconds=0.3),
    "soak.soft": Kind(4, "failed"),
    "soak.hog": Kind(1, "failed", memory_limit_mb=96),
    "soak.exit": Kind(4, "failed"),
    "soak.segfault": Kind(3, "failed"),
    "soak.leave": Kind(8, "succeeded"),
    "soak.wait": Kind(2, "cancelled"),
}


class Jobs:
    """Owns the jobs under way, and knows how those before them ended."""

    def __init__(self, on: Server, chance: random.Random) -> None:
        self.accepted = 0
        #: Type and status of jobs that ended otherwise than their kind does, or `gone`.
        self.surprises: Counter[str] = Counter()
        self.under_way: dict[str, str] = {}
        self._on = on
        self._chance = chance

    def submit(self, kinds: list[str]) -> None:
        """Enqueue a job of each."""
        if not kinds:
            return
        jobs = [_job(kind) for kind in kinds]
        self._on.store.enqueue(jobs)
        self.accepted += len(jobs)
        self.under_way |= {job.id: job.type for job in jobs}

    def fill(self) -> None:
        """Have as many under way as there are to be."""
        shares = [kind.share for kind in KINDS.values()]
        self.submit(self._chance.choices(list(KINDS), shares, k=max(0, UNDER_WAY - len(self.under_way))))

    def look(self) -> int:
        """Drop those that have ended, cancel those that wait for it; return how many are left."""
        for job_id, kind in list(self.under_way.items()):
            if not self._judge(job_id, kind) and kind == "soak.wait":
                with suppress(JobNotFound, WrongState):
                    self._on.store.cancel(job_id)
        return len(self.under_way)

    def _judge(self, job_id: str, kind: str) -> bool:
        """Return whether it has ended."""
        try:
            status = str(self._on.store.get(job_id).status)
        except JobNotFound:
            status = "gone"
        if status not in (*ENDED, "gone"):
            return False
        del self.under_way[job_id]
        if status != KINDS[kind].ends:
            self.surprises[f"{kind} {status}"] += 1
        return True


def _job(kind: str) -> NewJob:
    what = KINDS[kind]
    return NewJob(
        new_job_id(),
        kind,
        timeout_ms=round(1000 * what.timeout_seconds),
        max_attempts=what.attempts,
        max_crashes=PATIENCE if what.ends != "failed" else 1,
        backoff=Backoff(base=0.1, max=0.1),
        memory_limit_mb=what.memory_limit_mb,
    )
