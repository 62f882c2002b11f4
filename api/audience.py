"""Clients that listen to events: connections without a thread, few, and none that lags far behind."""

import time
from collections.abc import Sequence
from threading import Event as Flag
from threading import Lock
from typing import Final, NoReturn, Protocol, Self

from jobworker.api.events import COMMENT, OPENING, EventsQuery, render
from jobworker.store.events import Event, order_of

#: In one process.
MOST_LISTENERS: Final = 200
#: Of what a client has not taken yet; who has more is dropped.
MOST_PENDING_BYTES: Final = 64 * 1024
#: How long a connection is silent at most: what stands between us and the client may cut it after half a minute.
SILENCE_SECONDS: Final = 15


class Line(Protocol):
    """The connection of a listener."""

    @property
    def pending_bytes(self) -> int:
        """What the client has not taken yet."""
        ...

    def begin(self) -> None:
        """Send the head of the answer now."""
        ...

    def is_over(self) -> bool:
        """Whether the client has left, or the server drains."""
        ...

    def send(self, text: bytes) -> None:
        """Send a part; one that is over takes nothing."""
        ...

    def end(self) -> None:
        """End the answer in good order."""
        ...

    def drop(self) -> None:
        """Cut the connection."""
        ...


class Listener:
    """One client, and how far it has heard."""

    def __init__(self, line: Line, query: EventsQuery, position: str) -> None:
        self.line = line
        self.position = position
        #: Whether it is still to hear of what came between its position and now.
        self.behind = True
        #: Whether the answer has begun, and its thread is gone.
        self.seated = False
        self._query = query
        self._spoken_at = time.monotonic()

    def hear(self, events: Sequence[Event]) -> None:
        """Send those that came behind its position and that it wants."""
        position = order_of(self.position)
        fresh = [one for one in events if order_of(one.event_id) > position]
        self.say(render(one for one in fresh if self._query.lets_through(one)))
        if fresh:
            self.position = fresh[-1].event_id

    def say(self, text: bytes) -> None:
        """Send, if there is anything; or a comment after a long silence; drop it if it has not taken what was sent."""
        if not text and time.monotonic() - self._spoken_at >= SILENCE_SECONDS:
            text = COMMENT
        if not text:
            return
        if self.line.pending_bytes > MOST_PENDING_BYTES:
            self.line.drop()
            return
        self._spoken_at = time.monotonic()
        self.line.send(text)


class Stay(BaseException):
    """Lets the thread go in the middle of an answer, and keeps the connection.

    Not an Exception, so that nothing between a responder and its connection takes it for an error.
    """

    def __init__(self, audience: "Audience", listener: Listener) -> None:
        super().__init__()
        self.audience = audience
        self.listener = listener


class Audience:
    """Owns the listeners of one process.

    Told:   by responders, who comes; by the channel, whose thread has gone; that the server drains.
    Ends:   with `drain`.
    """

    def __init__(self, most: int = MOST_LISTENERS) -> None:
        self._most = most
        self._lock = Lock()
        self._listeners: list[Listener] = []
        self._closed = False
        #: Whether anybody listens.
        self.occupied = Flag()

    def enter(self, listener: Listener) -> bool:
        """Take a listener in; False: there is no room."""
        with self._lock:
            self._prune()
            if self._closed or len(self._listeners) >= self._most:
                return False
            self._listeners.append(listener)
            self.occupied.set()
        return True

    def leave(self, listener: Listener) -> None:
        """Let a listener go whose answer did not begin."""
        with self._lock:
            self._listeners.remove(listener)
            self._prune()

    def seat(self, listener: Listener) -> None:
        """Have a listener hear: its answer has begun."""
        with self._lock:
            listener.seated = True
            closed = self._closed
        if closed:
            listener.line.end()

    def seated(self) -> list[Listener]:
        """Return those that hear."""
        with self._lock:
            self._prune()
            return [listener for listener in self._listeners if listener.seated]

    def drain(self) -> None:
        """End all answers, and let nobody in any more."""
        with self._lock:
            self._closed = True
            listeners = [listener for listener in self._listeners if listener.seated]
        for listener in listeners:
            listener.line.end()

    def _prune(self) -> None:
        self._listeners = [one for one in self._listeners if not (one.seated and one.line.is_over())]
        if not self._listeners:
            self.occupied.clear()


class Opening:
    """Owns the beginning of an answer: what waitress sends first, after which the thread goes."""

    def __init__(self, audience: Audience, listener: Listener) -> None:
        self._audience = audience
        self._listener = listener
        self._stays = False

    def __iter__(self) -> Self:
        """Return itself: it is read once."""
        return self

    def __next__(self) -> NoReturn:
        """Send head and opening, and raise Stay."""
        self._listener.line.begin()
        self._listener.line.send(OPENING.format(self._listener.position).encode())
        self._stays = True
        raise Stay(self._audience, self._listener)

    def close(self) -> None:
        """Give the place back, if the client has left before it had it."""
        if not self._stays:
            self._audience.leave(self._listener)
