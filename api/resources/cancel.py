"""POST /jobs/{job_id}/cancel."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.query import who_asks
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.schemas import ReasonRequest
from jobworker.store.job import Note
from jobworker.store.jobs import JobStore
from jobworker.store.states import JobState


class Cancel:
    """The end of a job that somebody no longer wants."""

    def __init__(self, store: JobStore, available: Availability, reader: JobReader) -> None:
        self._store = store
        self._available = available
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Cancel a job that has not started; ask for the kill of one that runs, which is not done with the answer."""
        job_id = read_job_id(job_id)
        reason = read_body(req, ReasonRequest).reason or None
        with self._available:
            self._store.cancel(job_id, Note(who_asks(req), reason))
            job = self._reader.job(job_id)
        resp.status = falcon.HTTP_200 if job.status == JobState.CANCELLED else falcon.HTTP_202
        resp.data = msgspec.json.encode(job)
