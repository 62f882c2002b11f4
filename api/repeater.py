"""Changes what is in Redis, also when the network loses the answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from jobworker.api.availability import Availability
from jobworker.store.errors import OutcomeUnknown, StoreUnavailable

Answer = TypeVar("Answer")


class Repeater:
    """Makes calls that change something, and once more if the answer got lost quickly: each is safe to repeat.

    Its callers could not repeat so safely: without a key of theirs each request is a new one.
    """

    def __init__(
        self, available: Availability, *, patience_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._available = available
        #: A call that took longer is not repeated: the client has waited long enough.
        self._patience_seconds = patience_seconds
        self._clock = clock

    def do(self, call: Callable[[], Answer], doubt: str, *, again: Callable[[], Answer] | None = None) -> Answer:
        """Return what `call` returns. Raises OutcomeUnknown, which ends with `doubt`, and what `call` raises.

        `again` takes its place the second time, where that can mean something else.
        """
        try:
            with self._available:
                return self._do(call, again or call)
        except OutcomeUnknown as error:
            # Not within the block above: what others are told of the outage is not about this request.
            raise OutcomeUnknown(f"{error}; {doubt}") from None

    def _do(self, call: Callable[[], Answer], again: Callable[[], Answer]) -> Answer:
        began = self._clock()
        try:
            return call()
        except OutcomeUnknown as lost:
            if self._clock() - began >= self._patience_seconds:
                raise
            try:
                return again()
            except StoreUnavailable:
                # Whatever this one met: it is the first that may have done it.
                raise lost from None
