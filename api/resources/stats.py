"""GET /stats."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.query import allow_no_parameters
from jobworker.api.stats import view_stats
from jobworker.store import stats


class Stats:
    """What attempts came to and cost, by type."""

    def __init__(self, kept: stats.Stats, available: Availability) -> None:
        self._kept = kept
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the last hour and the last day."""
        allow_no_parameters(req)
        with self._available:
            hour, day = self._kept.read()
        resp.data = msgspec.json.encode(view_stats(hour, day))

    on_head = on_get
