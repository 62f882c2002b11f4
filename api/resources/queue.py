"""GET /queues/{queue}."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import QueueView, view_queue
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.scopes import Scope
from jobworker.store.fleet import Fleet


class Queue:
    """One queue."""

    def __init__(self, fleet: Fleet, available: Availability) -> None:
        self._fleet = fleet
        self._available = available

    @operation("Show a queue", Scope.READ, {200: QueueView}, errors=(404,))
    def on_get(self, req: falcon.Request, resp: falcon.Response, queue: str) -> None:
        """Show a queue."""
        allow_no_parameters(req)
        with self._available:
            found = self._fleet.queue(queue)
        resp.data = msgspec.json.encode(view_queue(found))

    on_head = on_get
