"""Who is told, by a webhook, that a job has ended."""

from typing import Any, Final, Self

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.keys import Keys
from jobworker.store.states import ENDED, JobState

#: What names of our own types and queues begin with: no client's may.
RESERVED: Final = "jobworker."
#: Where deliveries wait. Every supervisor serves it, whichever queues it is told to serve.
DELIVERY_QUEUE: Final = "jobworker.webhooks"


class Callback(Struct, frozen=True):
    """Where to, and of which ends."""

    url: str
    #: In the order of JobState.
    events: tuple[JobState, ...] = tuple(state for state in JobState if state in ENDED)

    def encode(self) -> str:
        """Return what `lua/includes/webhooks.lua` reads: the events, and behind a space the URL."""
        return f"{','.join(self.events)} {self.url}"

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Read it. Raises ValueError."""
        events, _, url = text.decode().partition(" ")
        return cls(url, tuple(map(JobState, events.split(","))))


class Delivery(Struct, frozen=True):
    """The job that tells of another's end."""

    id: str
    #: None: it is gone, with its retention.
    status: JobState | None = None
    attempts: int | None = None


class Deliveries:
    """Reads, of deliveries, how far they are."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def get(self, delivery_id: str) -> Delivery:
        """Return one. What cannot be read is as if absent."""
        with translated():
            values: Any = self._client.hmget(self._keys.job(delivery_id), ["status", "attempt"])
        status, attempts = ((value or b"").decode(errors="replace") for value in values)
        if status not in set(JobState) or not attempts.isdecimal():
            return Delivery(delivery_id)
        return Delivery(delivery_id, JobState(status), int(attempts))
