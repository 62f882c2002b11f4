"""POST /jobs/{job_id}/retry."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.schemas import EmptyRequest
from jobworker.store.jobs import JobStore


class Retry:
    """Another life of a job that has ended."""

    def __init__(self, store: JobStore, available: Availability, reader: JobReader) -> None:
        self._store = store
        self._available = available
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Put the job back into its queue, with its budgets whole again."""
        job_id = read_job_id(job_id)
        read_body(req, EmptyRequest)
        with self._available:
            self._store.retry(job_id)
            job = self._reader.job(job_id)
        resp.status = falcon.HTTP_202
        resp.data = msgspec.json.encode(job)
