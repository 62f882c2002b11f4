"""POST /jobs/pause and POST /jobs/resume."""

from typing import Final

import falcon
import msgspec

from jobworker.api.body import read_body
from jobworker.api.operation import operation
from jobworker.api.query import who_asks
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import PauseAnswer, PauseRequest
from jobworker.api.scopes import Scope
from jobworker.store.jobs import JobStore

#: What is said when nobody knows whether it was done.
DOUBT: Final = "it may have been done: GET /queues tells, and asking again does no harm"


class Pause:
    """Nothing more is claimed; running jobs run on."""

    def __init__(self, store: JobStore, repeater: Repeater) -> None:
        self._store = store
        self._repeater = repeater

    @operation("Pause a queue, or everything", Scope.OPERATE, {200: PauseAnswer}, body=PauseRequest)
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Pause a queue, or everything."""
        request = read_body(req, PauseRequest)
        queue, who, reason = request.queue or None, who_asks(req), request.reason or None
        self._repeater.do(lambda: self._store.pause(queue, who=who, reason=reason), DOUBT)
        resp.data = msgspec.json.encode(PauseAnswer("Job processing paused", queue))


class Resume:
    """Jobs are claimed again."""

    def __init__(self, store: JobStore, repeater: Repeater) -> None:
        self._store = store
        self._repeater = repeater

    @operation("Resume a queue, or everything", Scope.OPERATE, {200: PauseAnswer}, body=PauseRequest)
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Lift the pause of a queue, or the one of everything."""
        queue = read_body(req, PauseRequest).queue or None
        self._repeater.do(lambda: self._store.resume(queue), DOUBT)
        resp.data = msgspec.json.encode(PauseAnswer("Job processing resumed", queue))
