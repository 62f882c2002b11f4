"""Takes jobs in, also when the network loses the answer of Redis."""

import time
from collections.abc import Callable

from jobworker.api.availability import Availability
from jobworker.store.errors import OutcomeUnknown, StoreUnavailable
from jobworker.store.idempotency import Acceptance
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore


class Intake:
    """Puts jobs into the store, and once more if the answer got lost quickly: their ids make that safe.

    Its callers could not repeat so safely: without a key of theirs each request is a new job.
    """

    def __init__(
        self,
        store: JobStore,
        available: Availability,
        *,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._available = available
        #: A call that took longer is not repeated: the client has waited long enough.
        self._patience_seconds = patience_seconds
        self._clock = clock

    def take(self, job: NewJob) -> Acceptance:
        """Store a job and return what to tell of it. Raises OutcomeUnknown, StoreUnavailable, InvalidJob, KeyReused."""
        try:
            with self._available:
                return self._enqueue(job)
        except OutcomeUnknown as error:
            # Not within the block above: what others are told of the outage is not about this job.
            doubt = f"the job may have been accepted: GET /jobs/{job.id} tells, as soon as Redis is back"
            raise OutcomeUnknown(f"{error}; {doubt}") from None

    def _enqueue(self, job: NewJob) -> Acceptance:
        began = self._clock()
        try:
            [accepted] = self._store.enqueue([job])
        except OutcomeUnknown as lost:
            if self._clock() - began >= self._patience_seconds:
                raise
            try:
                [accepted] = self._store.enqueue([job])
            except StoreUnavailable:
                # Whatever this one met: it is the first that may have done it.
                raise lost from None
        return accepted
