"""Hears of the ends of jobs, while anybody waits for one, and calls who does."""

from threading import Event, Thread
from typing import Final

import structlog

from jobworker.api.availability import Availability
from jobworker.api.parking import Parking
from jobworker.store.ends import Ends
from jobworker.store.errors import StoreError

#: How long after an error nothing is asked.
PAUSE_SECONDS: Final = 0.5
#: How often an idle thread looks whether it shall end.
IDLE_SECONDS: Final = 1.0

log = structlog.stdlib.get_logger(__name__)


class Listening:
    """Owns the thread that hears.

    Tells:  the parking, which jobs have ended.
    Ends:   by `close`, within a second; a daemon besides.
    """

    def __init__(self, ends: Ends, available: Availability, parking: Parking, *, block_seconds: float) -> None:
        self._ends = ends
        self._available = available
        self._parking = parking
        self._block_ms = max(1, round(1000 * block_seconds))
        self._closed = Event()

    def start(self) -> None:
        """Begin to hear."""
        Thread(target=self._run, name="ends", daemon=True).start()

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            if not self._parking.occupied.wait(IDLE_SECONDS):
                continue
            try:
                self._hear()
            except StoreError as error:
                log.debug("cannot hear of the ends of jobs", reason=str(error))
                self._closed.wait(PAUSE_SECONDS)

    def _hear(self) -> None:
        # What was told before, or while nobody heard, is looked up; what is told from here on is heard.
        # Not before others believe that Redis is back: who is called then would be answered that it is away.
        with self._available:
            position = self._ends.position()
            settled = self._ends.settled_among(self._parking.awaited())
        self._parking.call(settled)
        while self._parking.occupied.is_set() and not self._closed.is_set():
            position, ended = self._ends.after(position, block_ms=self._block_ms)
            self._parking.call(ended)
