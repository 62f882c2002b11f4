"""When to ask again: only what is safe to repeat, later each time, and not before the API says."""

import random
from typing import Any, Final

from jobworker.client.asking import Ask
from jobworker.client.errors import ClientError, NotReachable, QueueFull, Unavailable

FIRST_SECONDS: Final = 0.1
MOST_SECONDS: Final = 5.0
#: A Retry-After beyond it is the caller's to wait for.
LONGEST_RETRY_AFTER_SECONDS: Final = 30.0


class Patience:
    """How long to wait before asking again, for one request."""

    def __init__(self, retries: int) -> None:
        self._left = retries
        self._seconds = FIRST_SECONDS

    def seconds_until_next(self, ask: Ask[Any], error: ClientError) -> float | None:
        """Return the seconds to wait; None: give up, and raise `error`."""
        if self._left <= 0 or not _may_repeat(ask, error):
            return None
        wanted = getattr(error, "retry_after_seconds", None)
        if wanted is not None and wanted > LONGEST_RETRY_AFTER_SECONDS:
            return None
        self._left -= 1
        # Spread out, so that clients that were refused together do not come back together.
        own = self._seconds * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it
        self._seconds = min(2 * self._seconds, MOST_SECONDS)
        return max(own, wanted or 0.0)


def _may_repeat(ask: Ask[Any], error: ClientError) -> bool:
    if isinstance(error, QueueFull | Unavailable):
        # Refused as a whole: nothing has changed, unless the answer says that it is not known.
        return ask.repeatable or isinstance(error, QueueFull)
    return isinstance(error, NotReachable) and (ask.repeatable or not error.sent)
