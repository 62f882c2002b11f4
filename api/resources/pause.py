"""POST /jobs/pause and POST /jobs/resume."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.query import who_asks
from jobworker.api.schemas import PauseAnswer, PauseRequest
from jobworker.store.jobs import JobStore


class Pause:
    """Nothing more is claimed; running jobs run on."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Pause a queue, or everything."""
        request = read_body(req, PauseRequest)
        queue = request.queue or None
        with self._available:
            self._store.pause(queue, who=who_asks(req), reason=request.reason or None)
        resp.data = msgspec.json.encode(PauseAnswer("Job processing paused", queue))


class Resume:
    """Jobs are claimed again."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Lift the pause of a queue, or the one of everything."""
        queue = read_body(req, PauseRequest).queue or None
        with self._available:
            self._store.resume(queue)
        resp.data = msgspec.json.encode(PauseAnswer("Job processing resumed", queue))
