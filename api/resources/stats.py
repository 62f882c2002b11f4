"""GET /stats."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.scopes import Scope
from jobworker.api.stats import StatsView, view_stats
from jobworker.store import stats


class Stats:
    """What attempts came to and cost, by type."""

    def __init__(self, kept: stats.Stats, available: Availability) -> None:
        self._kept = kept
        self._available = available

    @operation("Show what attempts came to and cost", Scope.READ, {200: StatsView})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the last hour and the last day."""
        allow_no_parameters(req)
        with self._available:
            hour, day = self._kept.read()
        resp.data = msgspec.json.encode(view_stats(hour, day))

    on_head = on_get
