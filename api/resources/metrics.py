"""GET /metrics."""

import falcon

from jobworker.api.availability import Availability
from jobworker.api.exposition import CONTENT_TYPE, expose
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.scopes import Scope
from jobworker.api.traffic import TrafficRow
from jobworker.store.census import Census
from jobworker.store.errors import StoreError
from jobworker.store.jobs import JobStore


class Metrics:
    """All that is counted, for Prometheus."""

    def __init__(self, store: JobStore, available: Availability, row: TrafficRow) -> None:
        self._store = store
        self._available = available
        self._row = row

    @operation("Show the metrics as Prometheus reads them", Scope.READ, {200: "text/plain; version=0.0.4"})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show them; while Redis is away those of the API alone."""
        allow_no_parameters(req)
        resp.content_type = CONTENT_TYPE
        resp.data = expose(self._row.traffic, self._row.paths, self._census())

    on_head = on_get

    def _census(self) -> Census | None:
        try:
            with self._available:
                return self._store.census.take()
        except StoreError:
            # Who watches must hear of it from us, too.
            return None
