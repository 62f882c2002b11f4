"""What happens around every request: its id, the headers of the answer, a line in the log."""

import time
from typing import Final

import falcon
import structlog

from jobworker.api.errors import Overloaded
from jobworker.api.headers import WAITED_SECONDS, answer_headers, choose_request_id
from jobworker.api.resources.health import Liveness
from jobworker.api.traffic import TrafficRow

#: What is answered late is answered within 3 s: two calls of a Redis that is slow and not yet away fit behind this.
LONGEST_WAIT_SECONDS: Final = 1.25

log = structlog.stdlib.get_logger(__name__)


def request_id_of(req: falcon.Request) -> str:
    """Return the id of a request, the same whenever asked."""
    request_id: str | None = req.context.get("request_id")
    if request_id is None:
        request_id = req.context.request_id = choose_request_id(req.get_header("X-Request-Id"))
    return request_id


class Meter:
    """Counts every request that is answered, refusals too, by the path that serves it."""

    def __init__(self, row: TrafficRow) -> None:
        self._row = row

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:  # noqa: ARG002 - Falcon passes it
        """Note when a thread has begun."""
        req.context.begun_at = time.monotonic()

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon passes it
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon passes it
    ) -> None:
        """Count it."""
        now = time.monotonic()
        begun_at: float = req.context.begun_at
        self._row.answered(
            *(req.uri_template, req.method, str(resp.status_code), now - begun_at, req.env.get(WAITED_SECONDS, 0.0))
        )


class Envelope:
    """Puts the common headers on every answer, refusals too, and tells the log."""

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon passes it
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon passes it
    ) -> None:
        """Finish an answer."""
        request_id = request_id_of(req)
        for name, value in answer_headers(request_id):
            # What may be kept, and pages, say so themselves.
            if resp.get_header(name) is None:
                resp.set_header(name, value)
        log.debug("answered", method=req.method, path=req.path, status=resp.status, request_id=request_id)


class Patience:
    """Sheds load: who has waited too long for a thread is told to come again, and those behind are answered in time."""

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,  # noqa: ARG002 - Falcon passes it
        resource: object,
        params: dict[str, str],  # noqa: ARG002 - Falcon passes it
    ) -> None:
        """Refuse what has waited too long; but this process lives, and says so."""
        waited_seconds: float = req.env.get(WAITED_SECONDS, 0.0)
        if waited_seconds > LONGEST_WAIT_SECONDS and not isinstance(resource, Liveness):
            raise Overloaded(
                f"this request has waited {waited_seconds:.1f} s for its turn: Redis is slow, or too many ask at once"
            )
