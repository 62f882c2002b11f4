"""GET /supervisors."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import Items, view_supervisor
from jobworker.api.query import allow_no_parameters
from jobworker.store.fleet import Fleet


class Supervisors:
    """The living supervisors."""

    def __init__(self, fleet: Fleet, available: Availability) -> None:
        self._fleet = fleet
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show every supervisor whose lease has not ended."""
        allow_no_parameters(req)
        with self._available:
            supervisors = self._fleet.supervisors()
        resp.data = msgspec.json.encode(Items(list(map(view_supervisor, supervisors))))

    on_head = on_get
