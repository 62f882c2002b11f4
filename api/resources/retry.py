"""POST /jobs/{job_id}/retry."""

import falcon
import msgspec

from jobworker.api.body import decode_body, read_bytes
from jobworker.api.idempotency import KEY, read_key
from jobworker.api.operation import operation
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import EmptyRequest, JobView
from jobworker.api.scopes import Scope
from jobworker.store.idempotency import new_request
from jobworker.store.jobs import JobStore


class Retry:
    """Another life of a job that has ended."""

    def __init__(self, store: JobStore, reader: JobReader, repeater: Repeater) -> None:
        self._store = store
        self._reader = reader
        self._repeater = repeater

    @operation(
        "Run a job once more that has ended",
        Scope.OPERATE,
        {202: JobView},
        body=EmptyRequest,
        headers=(KEY,),
        errors=(404, 409),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Put the job back into its queue, with its budgets whole again; once for each Idempotency-Key."""
        job_id = read_job_id(job_id)
        body = read_bytes(req)
        decode_body(body, EmptyRequest)
        # The job remembers the last one for as long as it exists: no time to give here.
        key = read_key(req, body, keep_seconds=0)
        request = new_request() if key is None else key.digest
        doubt = f"the job may run again by now: GET /jobs/{job_id} tells, as soon as Redis is back"
        job = self._repeater.do(lambda: self._retry(job_id, request), doubt)
        resp.status = falcon.HTTP_202
        resp.data = msgspec.json.encode(job)

    def _retry(self, job_id: str, request: str) -> JobView:
        self._store.retry(job_id, request)
        return self._reader.job(job_id)
