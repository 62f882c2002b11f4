"""POST /jobs, GET /jobs, GET /jobs/{job_id} and DELETE /jobs/{job_id}."""

from contextlib import suppress
from hashlib import blake2b
from typing import cast

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
from jobworker.api.waiting import PREFER, WaitQuery, tell_preference, ticket_of, wait_for_end, wanted_wait
from jobworker.store.errors import JobNotFound, StoreError
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.jobs import JobStore
from jobworker.store.states import ENDED
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

    @operation(
        "Submit a job",
        Scope.ENQUEUE,
        {202: Acceptance, 200: JobView},
        body=JobRequest,
        headers=(KEY, PREFER),
        errors=(409,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a job: the answer means that it is in Redis."""
        ticket = ticket_of(req)
        # On its second turn the job is in Redis.
        accepted, is_replay = self._submit(req) if ticket is None else cast("tuple[Acceptance, bool]", ticket.done)
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"/jobs/{accepted.id}")
        if is_replay:
            resp.set_header(REPLAYED, "true")
        resp.data = msgspec.json.encode(accepted)
        if (seconds := wanted_wait(req)) is not None:
            # The job is accepted, whatever becomes of the wait.
            with suppress(StoreError):
                wait_for_end(
                    *(req, resp, accepted.id, seconds),
                    lambda: _announce(self._store, self._available, accepted.id),
                    done=(accepted, is_replay),
                )
                self._show_end(req, resp, accepted.id)

    def _show_end(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Answer with the job itself, if it has ended."""
        job = self._repeater.do(lambda: self._reader.job(job_id), "asking again does no harm")
        if job.status in ENDED:
            resp.status = falcon.HTTP_200
            resp.data = msgspec.json.encode(job)
        tell_preference(req, resp)

    def _submit(self, req: falcon.Request) -> tuple[Acceptance, bool]:
        body = read_bytes(req)
        key = read_key(req, body, self._keep_keys_seconds)
        trace = read_trace(req.get_header("traceparent"), req.get_header("tracestate"))
        return self._take(decode_body(body, JobRequest), key, trace)

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
        return accepted, accepted.id != job.id and not accepted.existing

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

    @operation(
        *("Show a job", Scope.READ, {200: JobView, 304: None}),
        query=WaitQuery,
        headers=(PREFER, "If-None-Match"),
        errors=(404, 409),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Show a job, whole; with `wait` as soon as it has ended, or that time is over."""
        job_id = read_job_id(job_id)
        seconds = given(read_query(req, WaitQuery).wait, wanted_wait(req) or 0)
        wait_for_end(req, resp, job_id, seconds, lambda: _announce(self._store, self._available, job_id))
        job = self._read_again(job_id) if ticket_of(req) else self._read(job_id)
        resp.data = msgspec.json.encode(job)
        resp.etag = blake2b(resp.data, digest_size=12).hexdigest()
        if _is_known(req, resp):
            resp.status = falcon.HTTP_304
        tell_preference(req, resp)

    def _read(self, job_id: str) -> JobView:
        with self._available:
            return self._reader.job(job_id)

    def _read_again(self, job_id: str) -> JobView:
        # While it waited all connections may have broken; it shall not have waited in vain.
        return self._repeater.do(lambda: self._reader.job(job_id), "asking again does no harm")

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


def _announce(store: JobStore, available: Availability, job_id: str) -> bool:
    """Have the end of the job told; return whether it has ended already."""
    with available:
        return store.ends.announce(job_id)


def _is_known(req: falcon.Request, resp: falcon.Response) -> bool:
    """Whether the client has the answer already (If-None-Match)."""
    known = req.if_none_match or []
    tag = (resp.etag or "").strip('"')
    return any(one == "*" or one == tag for one in known)
