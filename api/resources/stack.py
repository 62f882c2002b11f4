"""POST /jobs/{job_id}/stack."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.errors import SupervisorSilent
from jobworker.api.operation import operation
from jobworker.api.reader import read_job_id
from jobworker.api.schemas import EmptyRequest, StackView
from jobworker.api.scopes import Scope
from jobworker.api.views import view_stack
from jobworker.store.errors import NotRunning
from jobworker.store.job import JobRecord
from jobworker.store.jobs import JobStore

#: How long a supervisor may take to answer; most do within 20 ms.
PATIENCE_SECONDS: Final = 2.0
#: The first wait between two looks; doubles up to the longest.
FIRST_LOOK_SECONDS: Final = 0.005
LONGEST_LOOK_SECONDS: Final = 0.1


class Stack:
    """Where a running job is at this moment."""

    def __init__(
        self, store: JobStore, available: Availability, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._store = store
        self._available = available
        self._sleep = sleep

    @operation("Ask where a running job is", Scope.OPERATE, {200: StackView}, body=EmptyRequest, errors=(404, 409))
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Have the worker tell its Python stack; the job goes on."""
        job_id = read_job_id(job_id)
        read_body(req, EmptyRequest)
        with self._available:
            record = self._taken(self._store.get(job_id))
        resp.data = msgspec.json.encode(view_stack(record))

    def _taken(self, job: JobRecord) -> JobRecord:
        """Return the record once its supervisor has answered."""
        asked_ms = self._store.control.stack(job)
        for seconds in _looks():
            self._sleep(seconds)
            record = self._store.get(job.id)
            if record.stack_ms is not None and record.stack_ms >= asked_ms:
                return record
            if record.token != job.token or record.ended:
                raise NotRunning(job.id, record.status)
        raise SupervisorSilent(
            f"supervisor {job.owner} has not answered within {PATIENCE_SECONDS:g} s; "
            "the request stays: GET the job later, or ask again"
        )


def _looks() -> Iterator[float]:
    """Yield the waits between looks, as long as patience lasts."""
    waited, seconds = 0.0, FIRST_LOOK_SECONDS
    while waited < PATIENCE_SECONDS:
        yield seconds
        waited += seconds
        seconds = min(2 * seconds, LONGEST_LOOK_SECONDS)
