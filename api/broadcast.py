"""Hears what happens, while anybody listens, and tells all who do."""

import time
from threading import Event as Flag
from threading import Thread
from typing import Final

import structlog

from jobworker.api.audience import MOST_PENDING_BYTES, Audience, Listener
from jobworker.api.availability import Availability
from jobworker.store.errors import StoreError
from jobworker.store.events import RENEW_SECONDS, Event, Events

#: How long after an error nothing is asked.
PAUSE_SECONDS: Final = 0.5
#: How often an idle thread looks whether it shall end.
IDLE_SECONDS: Final = 1.0
#: How long it waits for news while somebody still hears of what has been.
SHORT_BLOCK_MS: Final = 10
#: What stands before everything that a stream holds.
BEGINNING: Final = "0-0"

log = structlog.stdlib.get_logger(__name__)


class Broadcast:
    """Owns the thread that hears.

    Tells:  listeners, what has happened since they heard last.
    Ends:   by `close`, within a second; a daemon besides.
    """

    def __init__(self, events: Events, available: Availability, audience: Audience, *, block_seconds: float) -> None:
        self._events = events
        self._available = available
        self._audience = audience
        self._block_ms = max(1, round(1000 * block_seconds))
        self._closed = Flag()
        self._renewed_at = 0.0
        #: Whose position is known to be in the stream; of all others it is looked at first.
        self._certain: set[Listener] = set()

    def start(self) -> None:
        """Begin to hear."""
        Thread(target=self._run, name="events", daemon=True).start()

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            if not self._audience.occupied.wait(IDLE_SECONDS):
                continue
            try:
                self._hear()
            except StoreError as error:
                log.debug("cannot hear what happens", reason=str(error))
                self._keep_alive()
                self._closed.wait(PAUSE_SECONDS)

    def _hear(self) -> None:
        # Whatever was before, all begin anew from where they are: the stream may be another one.
        self._certain.clear()
        for listener in self._audience.seated():
            listener.behind = True
        with self._available:
            position = self._listen()
        while self._audience.occupied.is_set() and not self._closed.is_set():
            if time.monotonic() - self._renewed_at >= RENEW_SECONDS:
                self._listen()
            is_complete = self._catch_up()
            events = self._events.after(position, block_ms=self._block_ms if is_complete else SHORT_BLOCK_MS)
            position = events[-1].event_id if events else position
            for listener in self._audience.seated():
                if not listener.behind:
                    listener.hear(events)
            self._keep_alive()

    def _listen(self) -> str:
        self._renewed_at = time.monotonic()
        return self._events.listen()

    def _catch_up(self) -> bool:
        """Let each that is behind hear a page of what has been; return whether none is any more."""
        seated = self._audience.seated()
        self._certain.intersection_update(seated)
        for listener in seated:
            if listener.behind and listener.line.pending_bytes <= MOST_PENDING_BYTES // 2:
                self._read_on(listener)
        return not any(listener.behind for listener in seated)

    def _read_on(self, listener: Listener) -> None:
        if listener not in self._certain:
            self._make_certain(listener)
        page = self._events.after(listener.position)
        listener.hear(page)
        # Up to the end: what comes from now on is told to all, and what is told twice is not heard twice.
        listener.behind = bool(page)

    def _make_certain(self, listener: Listener) -> None:
        if not self._events.knows(listener.position):
            listener.position = BEGINNING
            listener.hear([Event("0-1", "gap")])
        self._certain.add(listener)

    def _keep_alive(self) -> None:
        for listener in self._audience.seated():
            listener.say(b"")
