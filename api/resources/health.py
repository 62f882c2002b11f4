"""GET /livez and GET /readyz."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.schemas import Live, Ready
from jobworker.api.views import format_instant
from jobworker.store.jobs import JobStore, Pause
from jobworker.store.keys import ALL_QUEUES


class Liveness:
    """This process answers."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say so, without Redis."""
        resp.data = msgspec.json.encode(Live())

    on_head = on_get


class Readiness:
    """Jobs are taken: Redis takes a write."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say so, and what nevertheless keeps jobs from running."""
        with self._available:
            self._store.check_writable()
            warnings = [] if self._store.supervisors() else ["no supervisor is running"]
            warnings += [_describe(pause) for pause in self._store.pauses()]
        if (reason := self._available.trouble.reason) is not None:
            warnings.append(f"some requests are answered with 503: {reason}")
        resp.data = msgspec.json.encode(Ready(warnings=warnings))

    on_head = on_get


def _describe(pause: Pause) -> str:
    what = "every queue" if pause.queue == ALL_QUEUES else f"queue {pause.queue}"
    why = f": {pause.reason}" if pause.reason else ""
    return f"paused: {what}, since {format_instant(pause.since_ms)}, by {pause.who}{why}"
