"""Where follow-up jobs go: into the queue and at the priority that was said, else declared by their type, else set."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from jobworker.handlers.submission import FollowUp
from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Settle
from jobworker.store.job import NewJob
from jobworker.store.settings import JobSettings

#: What a new job has in place of what nobody has said yet.
NO_QUEUE: Final = ""
NO_PRIORITY: Final = 0

Catalogue = Mapping[str, HandlerEntry]


class Routes:
    """Owns nothing: completes the follow-up jobs of settles that are about to be sent.

    Told:   complete (by the exchange).
    """

    def __init__(
        self,
        known: Callable[[], Catalogue],
        ask: Callable[[Sequence[str]], Awaitable[Catalogue]],
        settings: JobSettings,
    ) -> None:
        #: What our own handlers declare.
        self._known = known
        #: What Redis has of types that only other supervisors run.
        self._ask = ask
        self._settings = settings

    async def complete(self, settles: list[Settle]) -> list[Settle]:
        """Return the settles, every follow-up job with its queue and priority. Raises StoreError."""
        jobs = [job for settle in settles for job in settle.follow_ups]
        if not jobs:
            return settles
        known = self._known()
        foreign = dict.fromkeys(job.type for job in jobs if not _is_decided(job) and job.type not in known)
        declared = {**(await self._ask(list(foreign)) if foreign else {}), **known}
        return [self._completed(settle, declared) for settle in settles]

    async def decide(self, job: NewJob) -> tuple[NewJob, bool]:
        """Return a job with its queue and priority, and whether any supervisor knows its type. Raises StoreError."""
        known = self._known()
        entry = known.get(job.type) or (await self._ask([job.type])).get(job.type)
        return self._decide(job, entry), entry is not None

    def _completed(self, settle: Settle, declared: Catalogue) -> Settle:
        jobs = tuple(self._decide(job, declared.get(job.type)) for job in settle.follow_ups)
        return msgspec.structs.replace(settle, follow_ups=jobs)

    def _decide(self, job: NewJob, entry: HandlerEntry | None) -> NewJob:
        declared = entry.defaults if entry else HandlerDefaults()
        return msgspec.structs.replace(
            job,
            queue=job.queue or declared.queue or self._settings.queue,
            priority=job.priority or declared.priority or self._settings.priority,
        )


def new_job(follow_up: FollowUp) -> NewJob:
    """Return the job that was submitted, as far as its handler has said it; the rest is known when it is claimed."""
    backoff = follow_up.backoff
    return NewJob(
        id=follow_up.id,
        type=follow_up.type,
        queue=follow_up.queue or NO_QUEUE,
        priority=follow_up.priority or NO_PRIORITY,
        payload=follow_up.payload,
        delay_ms=round(1000 * (follow_up.delay or 0.0)),
        run_at_ms=_ms(follow_up.run_at),
        expires_at_ms=_ms(follow_up.expires_at),
        timeout_ms=None if follow_up.timeout is None else round(1000 * follow_up.timeout),
        max_attempts=follow_up.max_attempts,
        max_crashes=follow_up.max_crashes,
        backoff=None if backoff is None else Backoff(backoff.base, backoff.factor, backoff.max, backoff.jitter),
        memory_limit_mb=follow_up.memory_limit_mb,
        trace=follow_up.trace,
        tags=follow_up.tags,
    )


def _is_decided(job: NewJob) -> bool:
    return job.queue != NO_QUEUE and job.priority != NO_PRIORITY


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(1000 * instant.timestamp())
