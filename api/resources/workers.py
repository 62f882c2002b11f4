"""GET /workers."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import Items, view_worker
from jobworker.api.query import allow_no_parameters
from jobworker.store.fleet import Fleet


class Workers:
    """The worker processes of the living supervisors."""

    def __init__(self, fleet: Fleet, available: Availability) -> None:
        self._fleet = fleet
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show each worker and the job that it runs."""
        allow_no_parameters(req)
        with self._available:
            workers = self._fleet.workers()
        resp.data = msgspec.json.encode(Items(list(map(view_worker, workers))))

    on_head = on_get
