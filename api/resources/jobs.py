"""POST /jobs, GET /jobs, GET /jobs/{job_id} and DELETE /jobs/{job_id}."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.declaration import given
from jobworker.api.intake import Intake
from jobworker.api.query import allow_no_parameters, read_query
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.schemas import Accepted, JobRequest, JobsQuery
from jobworker.api.submission import Submission
from jobworker.store.jobs import JobStore
from jobworker.store.listing import JobFilter


class Jobs:
    """All jobs."""

    def __init__(self, available: Availability, submission: Submission, intake: Intake, reader: JobReader) -> None:
        self._available = available
        self._submission = submission
        self._intake = intake
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a job: the answer means that it is in Redis."""
        request = read_body(req, JobRequest)
        with self._available:
            job = self._submission.new_job(request)
        status = self._intake.take(job)
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"/jobs/{job.id}")
        resp.data = msgspec.json.encode(Accepted(job.id, status, job.type, job.queue, job.priority))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show a page of the jobs that the filters let through."""
        query = read_query(req, JobsQuery)
        wanted = JobFilter(given(query.status, None), given(query.type, None), given(query.queue, None))
        with self._available:
            answer = self._reader.page(wanted, query.limit, given(query.cursor, None))
        resp.data = msgspec.json.encode(answer)

    on_head = on_get


class Job:
    """One job."""

    def __init__(self, store: JobStore, available: Availability, reader: JobReader) -> None:
        self._store = store
        self._available = available
        self._reader = reader

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Show a job, whole."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        with self._available:
            job = self._reader.job(job_id)
        resp.data = msgspec.json.encode(job)

    on_head = on_get

    def on_delete(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Forget a job that has ended."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        with self._available:
            self._store.delete(job_id)
        resp.status = falcon.HTTP_204
