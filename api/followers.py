"""Those who follow a log: each holds a thread while its job lasts, so they are few; and how one is served."""

import contextlib
import time
from collections.abc import Callable, Iterator
from threading import BoundedSemaphore
from typing import Final, Protocol, Self

from jobworker.api.errors import Overloaded
from jobworker.api.logtext import LogText
from jobworker.store.errors import JobNotFound, StoreUnavailable
from jobworker.store.log import LogMark, LogPage, LogPiece

#: How often a follower looks; and when that is of little use, for the job is not due or Redis is away.
LOOK_SECONDS: Final = 0.2
LONG_LOOK_SECONDS: Final = 1.0

#: Reads what is behind a mark.
Read = Callable[[LogMark], LogPage]


class Stream(Protocol):
    """The connection that an answer without an end goes to."""

    def begin(self) -> None:
        """Send the head of the answer now."""
        ...

    def is_over(self) -> bool:
        """Whether the client has left, or the server drains."""
        ...


class Followers:
    """Owns the places of followers: a quarter of the threads, and never the last one."""

    def __init__(self, threads: int) -> None:
        self.most = min(max(1, threads // 4), threads - 1)
        self._places = BoundedSemaphore(self.most) if self.most else None

    def take_place(self) -> Callable[[], None]:
        """Return what gives the place back. Raises Overloaded."""
        if self._places is None:
            raise Overloaded("following a log needs a thread of its own; give the API more than one (api.threads)")
        if not self._places.acquire(blocking=False):
            raise Overloaded(f"{self.most} clients follow logs here already; each keeps a thread (api.threads) busy")
        return self._places.release


class Follower:
    """Owns the answer to one follower: what waitress sends part by part, and closes.

    Ends: when the job has ended or is gone, when the client has left, when the server drains.
    """

    def __init__(
        self,
        read: Read,
        page: LogPage,
        text: LogText,
        stream: Stream,
        leave: Callable[[], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._page = page
        self._text = text
        self._stream = stream
        self._leave = leave
        self._sleep = sleep
        self._away = False
        self._parts = self._follow()

    def __iter__(self) -> Self:
        """Return itself: it is read once."""
        return self

    def __next__(self) -> bytes:
        """Return the next part; it may be empty."""
        return next(self._parts)

    def close(self) -> None:
        """Give the place back."""
        self._leave()

    def _follow(self) -> Iterator[bytes]:
        self._stream.begin()
        yield self._text.render(self._page.pieces)
        with contextlib.suppress(JobNotFound):
            while not self._page.ended and not self._stream.is_over():
                self._sleep(LONG_LOOK_SECONDS if self._away or self._page.status == "scheduled" else LOOK_SECONDS)
                yield self._text.render(self._read_on())
        if self._page.ended:
            yield self._text.finish()

    def _read_on(self) -> list[LogPiece]:
        try:
            self._page = self._read(self._page.end)
        except StoreUnavailable:
            # The job goes on meanwhile, and its log says later what it has printed.
            self._away = True
            return []
        self._away = False
        return self._page.pieces
