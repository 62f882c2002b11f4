"""Turns every exception into problem details: the one place where the application answers with an error."""

from collections.abc import Sequence
from typing import Any, Final

import falcon
import structlog

from jobworker.api.errors import STATUS, problems_of, status_of
from jobworker.api.middleware import request_id_of
from jobworker.api.problem import PROBLEM_JSON, encode_problem

#: The probe of availability.py looks twice in this time.
RETRY_AFTER_SECONDS: Final = 1
#: How much of a path or name from a request is repeated in a sentence.
ECHO_CHARACTERS: Final = 100

log = structlog.stdlib.get_logger(__name__)


class Refusals:
    """Falcon's error handlers."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = ", ".join(paths)

    def install(self, app: falcon.App[falcon.Request, falcon.Response]) -> None:
        """Make `app` answer all its errors here."""
        for kind in STATUS:
            app.add_error_handler(kind, self.refuse)
        app.add_error_handler(falcon.HTTPError, self.refuse_unrouted)
        app.add_error_handler(Exception, self.fail)

    def refuse(self, req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
        """Answer an error of ours or of the store."""
        _answer(req, resp, status_of(error), str(error), problems_of(error))

    def refuse_unrouted(
        self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
    ) -> None:
        """Answer what Falcon refuses: no such path, no such method there."""
        resp.set_headers(error.headers or {})
        detail = error.description or "Invalid HTTP method"
        if isinstance(error, falcon.HTTPNotFound):
            detail = f"there is nothing at {req.path[:ECHO_CHARACTERS]}; there is {self._paths}"
        elif isinstance(error, falcon.HTTPMethodNotAllowed):
            detail = f"{req.method} is not possible here; possible: {resp.get_header('Allow')}"
        _answer(req, resp, error.status_code, detail)

    def fail(self, req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
        """Answer an error that nobody foresaw: the log gets the traceback, the client the id to look for."""
        request_id = request_id_of(req)
        log.error("unexpected error", method=req.method, path=req.path, request_id=request_id, exc_info=error)
        _answer(req, resp, 500, f"an error on our side; the API's log shows it under {request_id}")


def _answer(
    req: falcon.Request, resp: falcon.Response, status: int, detail: str, problems: Sequence[tuple[str, str]] = ()
) -> None:
    resp.status = status
    resp.content_type = PROBLEM_JSON
    resp.data = encode_problem(status, detail, request_id_of(req), problems)
    if status == 503:
        resp.set_header("Retry-After", str(RETRY_AFTER_SECONDS))
