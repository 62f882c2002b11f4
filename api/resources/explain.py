"""GET /jobs/{job_id}/explain."""

from contextlib import suppress

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.explanation import Circumstances, ExplanationView, explain_other, explain_waiting
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.reader import read_job_id
from jobworker.api.scopes import Scope
from jobworker.store.errors import QueueNotFound
from jobworker.store.fleet import Queue
from jobworker.store.job import JobRecord
from jobworker.store.jobs import JobStore
from jobworker.store.states import JobState


class Explain:
    """Why a job is not running."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    @operation("Say why a job is not running", Scope.READ, {200: ExplanationView}, errors=(404, 409))
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Tell its place in line, what stands in its way, and about when it would start."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        with self._available:
            record = self._store.get(job_id)
            waits = record.status in (JobState.PENDING, JobState.SCHEDULED)
            view = explain_waiting(record, self._circumstances(record)) if waits else explain_other(record)
        resp.data = msgspec.json.encode(view)

    on_head = on_get

    def _circumstances(self, record: JobRecord) -> Circumstances:
        store = self._store
        last_hour, _ = store.stats.read()
        return Circumstances(store.position(record.id), self._queue(record.queue), store.fleet.supervisors(), last_hour)

    def _queue(self, name: str | None) -> Queue | None:
        with suppress(QueueNotFound):
            return None if name is None else self._store.fleet.queue(name)
        return None
