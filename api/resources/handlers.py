"""GET /handlers."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import Items, view_handler
from jobworker.api.query import allow_no_parameters
from jobworker.store.jobs import JobStore


class Handlers:
    """What the supervisors can run."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show each type with the schema of its payload, by name."""
        allow_no_parameters(req)
        with self._available:
            handlers = self._store.handlers()
        resp.data = msgspec.json.encode(Items([view_handler(handlers[name]) for name in sorted(handlers)]))

    on_head = on_get
