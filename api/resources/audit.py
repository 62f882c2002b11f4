"""GET /audit."""

import falcon
import msgspec

from jobworker.api.actions import AuditAnswer, AuditQuery, view_trail
from jobworker.api.availability import Availability
from jobworker.api.operation import operation
from jobworker.api.query import read_query
from jobworker.api.scopes import Scope
from jobworker.store.trail import Trail


class Audit:
    """What operators and administrators have done."""

    def __init__(self, trail: Trail, available: Availability) -> None:
        self._trail = trail
        self._available = available

    @operation("Who has done what", Scope.ADMIN, {200: AuditAnswer}, query=AuditQuery)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show a page of what was done, the newest first."""
        query = read_query(req, AuditQuery)
        with self._available:
            page = self._trail.page(limit=query.limit, cursor=query.cursor)
        resp.data = msgspec.json.encode(view_trail(page))

    on_head = on_get
