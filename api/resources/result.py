"""GET /jobs/{job_id}/result."""

import falcon

from jobworker.api.availability import Availability
from jobworker.api.errors import NoResult
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.reader import read_job_id
from jobworker.api.scopes import Scope
from jobworker.api.views import raw_json
from jobworker.store.errors import RecordDamaged
from jobworker.store.jobs import JobStore
from jobworker.store.states import JobState


class Result:
    """What a job's handler returned, by itself."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    @operation("Read what a job has returned", Scope.READ, {200: "application/json"}, errors=(404, 409))
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Answer with the JSON as it was written; 409 while there is none, or if the job did not succeed."""
        job_id = read_job_id(job_id)
        allow_no_parameters(req)
        with self._available:
            record = self._store.get(job_id)
        if record.status is not JobState.SUCCEEDED:
            raise NoResult(f"job {job_id} has no result: it is {record.status}; only one that succeeded has")
        result = b"null" if record.result is None else record.result
        if raw_json(result) is None:
            raise RecordDamaged(job_id)
        resp.data = result

    on_head = on_get
