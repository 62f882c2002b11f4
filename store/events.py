"""What happens to jobs and queues, told in a bounded stream of Redis while somebody listens."""

import re
from typing import Any, Final, Literal, Self, cast

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.keys import Keys
from jobworker.store.scripts import script

#: How often `listen` is to be called, in seconds: what it asks for holds three times as long.
RENEW_SECONDS: Final = 10
#: Read by one call.
MOST_EVENTS: Final = 500

EventName = Literal["accepted", "started", "returned", "ended", "cancelling", "paused", "resumed", "gap"]

_ID: Final = re.compile(r"(\d{1,20})-(\d{1,20})\Z")


class Event(Struct, frozen=True):
    """One thing that has happened."""

    #: Of the entry in the stream, `<ms>-<number>`.
    event_id: str
    event: EventName
    id: str | None = None
    type: str | None = None
    queue: str | None = None
    status: str | None = None
    attempt: int | None = None

    @classmethod
    def decode(cls, event_id: bytes, fields: dict[bytes, bytes]) -> Self:
        """Read an entry of the stream; what a damaged record did not say is None."""
        found = {name.decode(): value.decode(errors="replace") or None for name, value in fields.items()}
        attempt = found.get("attempt")
        return cls(
            event_id=event_id.decode(),
            event=cast("EventName", found.get("event") or "gap"),
            id=found.get("id"),
            type=found.get("type"),
            queue=found.get("queue"),
            status=found.get("status"),
            attempt=int(attempt) if attempt and attempt.isdecimal() else None,
        )

    @property
    def ms(self) -> int:
        """When it happened, by Redis's clock."""
        return order_of(self.event_id)[0]


def order_of(event_id: str) -> tuple[int, int]:
    """Return what ids are ordered by. The id is one."""
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number)


class Events:
    """Hears what happens. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def listen(self) -> str:
        """Have events told for half a minute more; return the id of the last one."""
        with translated():
            keys = [self._keys.events_wanted, self._keys.events]
            last: bytes = script("listen").run(self._client, keys, [self._keys.base])
        return last.decode()

    def knows(self, event_id: str) -> bool:
        """Return whether the stream still holds this event, and so all that came after it."""
        # Numbers of 20 digits may be too large for a stream.
        if not _ID.match(event_id) or max(order_of(event_id)) >= 2**63:
            return False
        with translated():
            found: Any = self._client.xrange(self._keys.events, event_id, event_id)
        return bool(found)

    def after(self, event_id: str, *, block_ms: int | None = None) -> list[Event]:
        """Return what came after an event, at most 500; waits so long until there is something.

        Where some are missing, because the stream has grown faster than it was read, a `gap` comes first.
        """
        with translated():
            read: Any = self._client.xread({self._keys.events: event_id}, count=MOST_EVENTS, block=block_ms)
        if not read:
            return []
        [(_, entries)] = read
        events = [Event.decode(*entry) for entry in entries]
        # Only of more than these some can be gone.
        if len(events) == MOST_EVENTS and not self.knows(event_id):
            events.insert(0, Event(events[0].event_id, "gap"))
        return events
