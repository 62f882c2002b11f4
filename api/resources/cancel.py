"""POST /jobs/{job_id}/cancel."""

import falcon
import msgspec

from jobworker.api.body import read_body
from jobworker.api.operation import operation
from jobworker.api.query import who_asks
from jobworker.api.reader import JobReader, read_job_id
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import JobView, ReasonRequest
from jobworker.api.scopes import Scope
from jobworker.store.job import Note
from jobworker.store.jobs import JobStore
from jobworker.store.states import JobState


class Cancel:
    """The end of a job that somebody no longer wants."""

    def __init__(self, store: JobStore, reader: JobReader, repeater: Repeater) -> None:
        self._store = store
        self._reader = reader
        self._repeater = repeater

    @operation("Cancel a job", Scope.OPERATE, {200: JobView, 202: JobView}, body=ReasonRequest, errors=(404, 409))
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Cancel a job that has not started; ask for the kill of one that runs, which is not done with the answer."""
        job_id = read_job_id(job_id)
        note = Note(who_asks(req), read_body(req, ReasonRequest).reason or None)
        doubt = f"the cancel may have been accepted: GET /jobs/{job_id} tells, and asking again does no harm"
        job = self._repeater.do(lambda: self._cancel(job_id, note), doubt)
        resp.status = falcon.HTTP_200 if job.status == JobState.CANCELLED else falcon.HTTP_202
        resp.data = msgspec.json.encode(job)

    def _cancel(self, job_id: str, note: Note) -> JobView:
        self._store.cancel(job_id, note)
        return self._reader.job(job_id)
