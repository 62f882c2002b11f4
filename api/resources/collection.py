"""GET of all there is of a kind."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.fleet import Items
from jobworker.api.query import allow_no_parameters

Found = TypeVar("Found")


class Collection(Generic[Found]):
    """Everything that `ask` finds, each as `view` shows it."""

    def __init__(self, ask: Callable[[], Iterable[Found]], view: Callable[[Found], object], available: Availability):
        self._ask = ask
        self._view = view
        self._available = available

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show all."""
        allow_no_parameters(req)
        with self._available:
            found = self._ask()
        resp.data = msgspec.json.encode(Items(list(map(self._view, found))))

    on_head = on_get
