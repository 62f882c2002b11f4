"""POST /jobs, GET /jobs, GET /jobs/{job_id} and DELETE /jobs/{job_id}."""

from contextlib import suppress

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import decode_body, read_bytes
from jobworker.api.declaration import given
from jobworker.api.errors import RequestRefused
from jobworker.api.filtering import filter_of
from jobworker.api.idempotency import KEY, REPLAYED, read_key
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters, read_query
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import JobRequest, JobsAnswer, JobsQuery, JobView
from jobworker.api.scopes import Scope
from jobworker.api.submission import Submission
from jobworker.store.errors import JobNotFound
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.jobs import JobStore
from jobworker.store.trace import read_trace


class Jobs:
    """All jobs."""

    def __init__(
        self,
        store: JobStore,
        available: Availability,
        submission: Submission,
        repeater: Repeater,
        reader: JobReader,
        *,
        keep_keys_seconds: int,
    ) -> None:
        self._store = store
        self._available = available
        self._submission = submission
        self._repeater = repeater
        self._reader = reader
        self._keep_keys_seconds = keep_keys_seconds

    @operation("Submit a job", Scope.ENQUEUE, {202: Acceptance}, body=JobRequest, headers=(KEY,))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a job: the answer means that it is in Redis."""
        body = read_bytes(req)
        key = read_key(req, body, self._keep_keys_seconds)
        trace = read_trace(req.get_header("traceparent"), req.get_header("tracestate"))
        accepted, is_replay = self._take(decode_body(body, JobRequest), key, trace)
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"/jobs/{accepted.id}")
        if is_replay:
            resp.set_header(REPLAYED, "true")
        resp.data = msgspec.json.encode(accepted)

    def _take(self, request: JobRequest, key: IdempotencyKey | None, trace: str) -> tuple[Acceptance, bool]:
        """Return what to tell of the job, and whether it was told before."""
        try:
            with self._available:
                job = self._submission.new_job(request, key, trace)
        except RequestRefused:
            # What is refused by now, for example because its type is gone, may have been accepted when it came first.
            if key is None or (accepted := self._accepted(key)) is None:
                raise
            return accepted, True
        doubt = f"the job may have been accepted: GET /jobs/{job.id} tells, as soon as Redis is back"
        [accepted] = self._repeater.do(lambda: self._store.enqueue([job]), doubt)
        return accepted, accepted.id != job.id

    def _accepted(self, key: IdempotencyKey) -> Acceptance | None:
        with self._available:
            return self._store.accepted(key)

    @operation("List jobs", Scope.READ, {200: JobsAnswer}, query=JobsQuery)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show a page of the jobs that the filters let through."""
        query = read_query(req, JobsQuery)
        wanted = filter_of(query)
        with self._available:
            answer = self._reader.page(wanted, query.limit, given(query.cursor, None))
        resp.data = msgspec.json.encode(answer)

    on_head = on_get


class Job:
    """One job."""

    def __init__(self, store: JobStore, available: Availability, reader: JobReader, repeater: Repeater) -> None:
        self._store = store
        self._available = available
        self._reader = reader
        self._repeater = repeater

    @operation("Show a job", Scope.READ, {200: JobView}, errors=(404, 409))
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Show a job, whole."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        with self._available:
            job = self._reader.job(job_id)
        resp.data = msgspec.json.encode(job)

    on_head = on_get

    @operation("Delete a job that has ended", Scope.OPERATE, {204: None}, errors=(404, 409))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Forget a job that has ended."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        doubt = "the job may be gone: asking again does no harm"
        self._repeater.do(lambda: self._store.delete(job_id), doubt, again=lambda: self._delete_again(job_id))
        resp.status = falcon.HTTP_204

    def _delete_again(self, job_id: str) -> None:
        # If it is not there, the call whose answer got lost has deleted it, or there was nothing to delete.
        with suppress(JobNotFound):
            self._store.delete(job_id)
