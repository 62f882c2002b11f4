"""Notes in the trail what operators and administrators have done."""

from contextlib import suppress
from typing import Final

import falcon

from jobworker.api.availability import Availability
from jobworker.api.middleware import request_id_of
from jobworker.api.operation import operation_of
from jobworker.api.query import who_asks
from jobworker.api.scopes import Scope
from jobworker.store.errors import StoreError
from jobworker.store.trail import MAX_DETAIL_CHARACTERS, Action, Trail

_NOTED: Final = frozenset({Scope.OPERATE, Scope.ADMIN})
_ONLY_LOOKS: Final = frozenset({"GET", "HEAD"})
_REFUSED_FROM: Final = 400
#: A character of UTF-8 has at most four bytes.
_DETAIL_BYTES: Final = 4 * MAX_DETAIL_CHARACTERS


class Recorder:
    """Notes each action that was not refused, once it is done and before its answer is sent.

    As well as it can: what is done is done, also if Redis goes away between the two.
    """

    def __init__(self, trail: Trail, available: Availability) -> None:
        self._trail = trail
        self._available = available

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        req_succeeded: bool,  # noqa: FBT001 - Falcon passes it
    ) -> None:
        """Note it, if it is one."""
        if not req_succeeded or req.method in _ONLY_LOOKS or resp.status_code >= _REFUSED_FROM:
            return
        described = operation_of(resource, req.method)
        if described is not None and described.scope in _NOTED:
            with suppress(StoreError), self._available:
                self._trail.note(_action(req, resp.status_code))


def _action(req: falcon.Request, status: int) -> Action:
    body: bytes | None = req.context.get("body")
    return Action(
        who=who_asks(req),
        what=f"{req.method} {req.path}",
        detail=(body or b"")[:_DETAIL_BYTES].decode(errors="replace"),
        status=status,
        request_id=request_id_of(req),
    )
