"""GET /events: what happens to jobs and queues, while one listens."""

from typing import Final

import falcon

from jobworker.api.audience import Audience, Listener, Opening
from jobworker.api.availability import Availability
from jobworker.api.errors import Overloaded
from jobworker.api.events import EventsQuery
from jobworker.api.headers import STREAM
from jobworker.api.operation import operation
from jobworker.api.query import read_query
from jobworker.api.scopes import Scope
from jobworker.store.events import Events as EventStore

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT_ID: Final = "Last-Event-ID"


class Events:
    """The events of all jobs and queues, as they happen."""

    def __init__(self, events: EventStore, available: Availability) -> None:
        self._events = events
        self._available = available

    @operation(
        "Hear what happens",
        Scope.READ,
        {200: EVENT_STREAM},
        query=EventsQuery,
        headers=(LAST_EVENT_ID,),
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show events as they come, until the client leaves. Each has JSON as its data.

        Of jobs: `accepted`, `started`, `returned` (it waits again, after an attempt or by a retry), `cancelling`,
        `ended`. Of queues: `paused`, `resumed`.
        With Last-Event-ID those that came after it come first. Where some are missing a `gap` comes.
        """
        query = read_query(req, EventsQuery)
        # From here on it is told: what happens after the answer has begun is heard.
        with self._available:
            last = self._events.listen()
        audience: Audience = req.env[STREAM].audience
        listener = Listener(req.env[STREAM], query, req.get_header(LAST_EVENT_ID) or last)
        if not audience.enter(listener):
            raise Overloaded("as many clients as may listen to events here already")
        resp.content_type = EVENT_STREAM
        resp.stream = Opening(audience, listener)
