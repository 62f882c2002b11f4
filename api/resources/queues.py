"""GET /queues and GET /queues/{queue}."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import Items, view_queue
from jobworker.api.query import allow_no_parameters
from jobworker.store.fleet import Fleet


class Queues:
    """All queues."""

    def __init__(self, fleet: Fleet, available: Availability) -> None:
        self._fleet = fleet
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show every queue that ever held a job."""
        allow_no_parameters(req)
        with self._available:
            queues = self._fleet.queues()
        resp.data = msgspec.json.encode(Items(list(map(view_queue, queues))))

    on_head = on_get


class Queue:
    """One queue."""

    def __init__(self, fleet: Fleet, available: Availability) -> None:
        self._fleet = fleet
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response, queue: str) -> None:
        """Show a queue."""
        allow_no_parameters(req)
        with self._available:
            found = self._fleet.queue(queue)
        resp.data = msgspec.json.encode(view_queue(found))

    on_head = on_get
