"""Events as a client hears of them: what it may ask for, and each as text of an event stream."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jobworker.api.schemas import Request
from jobworker.api.views import format_instant
from jobworker.store.events import Event, EventName
from jobworker.store.limits import Name
from jobworker.store.states import JobState

#: What happens to a queue, or to all: a filter by job or status lets none of it through.
_OF_QUEUES: Final = ("paused", "resumed")
#: When a client shall come again, in ms; and from when on it hears.
OPENING: Final = "retry: 2000\nid: {}\n\n"
COMMENT: Final = b":\n\n"


class EventsQuery(Request, frozen=True):
    """The parameters of GET /events: each lets through only what agrees with it."""

    type: Name | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    #: The id of a job.
    job: str | UnsetType = UNSET
    #: What the job came to.
    status: JobState | UnsetType = UNSET

    def lets_through(self, event: Event) -> bool:
        """Return whether the client wants to hear of it; of a gap everybody does."""
        if event.event == "gap":
            return True
        # What is done to all queues is done to each.
        queue = self.queue in (UNSET, event.queue) or (event.event in _OF_QUEUES and event.queue == "*")
        wanted = ((self.type, event.type), (self.job, event.id), (self.status, event.status))
        return queue and all(value in (UNSET, found) for value, found in wanted)


class EventData(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The data of an event: what has happened to a job or a queue.

    `gap`: some before it are missing.
    """

    event: EventName
    #: By Redis's clock.
    at: str
    #: Of the job.
    id: str | None = None
    type: str | None = None
    #: `*`: all.
    queue: str | None = None
    #: What the job came to.
    status: str | None = None
    attempt: int | None = None


def render(events: Iterable[Event]) -> bytes:
    """Return the events as a client reads them."""
    return b"".join(_text(event) for event in events)


def _text(event: Event) -> bytes:
    data = EventData(
        event=event.event,
        at=format_instant(event.ms),
        id=event.id,
        type=event.type,
        queue=event.queue,
        status=event.status,
        attempt=event.attempt,
    )
    # A gap has no id: who leaves behind it has not had what comes next.
    name = "" if event.event == "gap" else f"id: {event.event_id}\n"
    return f"{name}event: {event.event}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
