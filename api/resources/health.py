"""GET /livez and GET /readyz."""

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.durability import Assurance, shortcomings, view_durability
from jobworker.api.operation import operation
from jobworker.api.schemas import Live, Ready
from jobworker.api.warnings import warnings_of
from jobworker.store.jobs import JobStore


class Liveness:
    """This process answers."""

    @operation("Tell whether this process answers", None, {200: Live})
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say so, without Redis."""
        resp.data = msgspec.json.encode(Live())

    on_head = on_get


class Readiness:
    """Jobs are taken: Redis takes a write."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available
        self._assurance = Assurance(store.durability)

    @operation("Tell whether jobs are taken", None, {200: Ready})
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say so, what nevertheless keeps jobs from running, and what a 202 means."""
        with self._available:
            self._store.check_writable()
            found = self._assurance.durability()
            warnings = [*warnings_of(self._store), *shortcomings(found)]
        if (reason := self._available.trouble.reason) is not None:
            warnings.append(f"some requests are answered with 503: {reason}")
        resp.data = msgspec.json.encode(Ready(warnings=warnings, durability=view_durability(found)))

    on_head = on_get
