"""GET of all there is of a kind."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TypeVar

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import (
    HandlerView,
    Items,
    QueueView,
    SupervisorView,
    WorkerView,
    view_handler,
    view_queue,
    view_supervisor,
    view_worker,
)
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.scopes import Scope
from jobworker.store.callback import RESERVED
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.jobs import JobStore

Found = TypeVar("Found")


class Collection:
    """Everything of a kind."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._store = store
        self._available = available

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        ask: Callable[[], Iterable[Found]],
        view: Callable[[Found], object],
    ) -> None:
        """Show all that `ask` finds, each as `view` does."""
        allow_no_parameters(req)
        with self._available:
            found = ask()
        resp.data = msgspec.json.encode(Items(list(map(view, found))))


class Queues(Collection):
    """All queues."""

    @operation("List queues", Scope.READ, {200: Items[QueueView]})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what waits in each, and whether it is paused."""
        self._show(req, resp, self._store.fleet.queues, view_queue)

    on_head = on_get


class Supervisors(Collection):
    """All living supervisors."""

    @operation("List supervisors", Scope.READ, {200: Items[SupervisorView]})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what each runs, and how it fares."""
        self._show(req, resp, self._store.fleet.supervisors, view_supervisor)

    on_head = on_get


class Workers(Collection):
    """All worker processes."""

    @operation("List workers", Scope.READ, {200: Items[WorkerView]})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show which job each runs, and what it uses."""
        self._show(req, resp, self._store.fleet.workers, view_worker)

    on_head = on_get


class Handlers(Collection):
    """All types."""

    @operation("List handlers", Scope.READ, {200: Items[HandlerView]})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what the supervisors can run, with the JSON Schema of each payload."""
        self._show(req, resp, self._entries, view_handler)

    on_head = on_get

    def _entries(self) -> list[HandlerEntry]:
        # What is our own nobody can ask for.
        users = [entry for entry in self._store.handlers().values() if not entry.type.startswith(RESERVED)]
        return sorted(users, key=attrgetter("type"))
