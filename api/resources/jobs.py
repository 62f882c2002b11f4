"""POST /jobs and GET /jobs/{job_id}."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.catalogue import Catalogue
from jobworker.api.errors import NotAJobId
from jobworker.api.intake import Intake
from jobworker.api.schemas import Accepted, JobRequest
from jobworker.api.submission import Submission
from jobworker.api.views import view_job
from jobworker.store.ids import is_job_id
from jobworker.store.jobs import JobStore


class Jobs:
    """All jobs."""

    def __init__(self, available: Availability, submission: Submission, intake: Intake) -> None:
        self._available = available
        self._submission = submission
        self._intake = intake

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a job: the answer means that it is in Redis."""
        request = read_body(req, JobRequest)
        with self._available:
            job = self._submission.new_job(request)
        status = self._intake.take(job)
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"/jobs/{job.id}")
        resp.data = msgspec.json.encode(Accepted(job.id, status, job.type, job.queue, job.priority))


class Job:
    """One job."""

    def __init__(self, store: JobStore, available: Availability, catalogue: Catalogue, submission: Submission) -> None:
        self._store = store
        self._available = available
        self._catalogue = catalogue
        self._submission = submission

    def on_get(self, _req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Show a job, whole."""
        if not is_job_id(job_id):
            raise NotAJobId(f"{job_id[:100]!r} is not a job's id: that is a UUID, as POST /jobs answers it")
        with self._available:
            record = self._store.get(job_id)
            entry = self._catalogue.find(record.type)
        resp.data = msgspec.json.encode(view_job(record, self._submission.declaration(entry)))

    on_head = on_get
