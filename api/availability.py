"""Whether Redis answers: after one call in vain nobody waits for it again until a probe has succeeded."""

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final

import structlog

from jobworker.api.errors import status_of
from jobworker.api.trouble import Trouble
from jobworker.store.errors import StoreError, StoreUnavailable, WritesRefused

PROBE_INTERVAL_SECONDS: Final = 0.5
#: What a client is told when Redis, and not he, is at fault.
UNAVAILABLE: Final = 503

log = structlog.stdlib.get_logger(__name__)


class Availability:
    """Stands around every call of the store: `with availability: store.get(…)`.

    A Redis that swallows everything costs each call its timeout. Sixteen threads that wait for it one request after the
    other would keep the fortieth caller for three timeouts: so the first call that fails closes the way for all.

    Told:   how calls of the store end.
    Tells:  callers, with StoreUnavailable, that there is no use in asking; its trouble, of what Redis refuses.
    Ends:   by `close`; a probe in progress is not waited for.
    """

    def __init__(
        self,
        probe: Callable[[], None],
        *,
        interval_seconds: float = PROBE_INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._interval_seconds = interval_seconds
        self._lock = Lock()
        self._closed = Event()
        #: Why Redis is held to be away; None while it answers.
        self._outage: str | None = None
        #: Reasons that the log has heard of since it went away.
        self._told: set[str] = set()
        self.trouble = Trouble(clock)

    def __enter__(self) -> None:
        """Raise StoreUnavailable at once while Redis is away."""
        if self._outage is not None:
            raise StoreUnavailable(self._outage)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Note how the call has ended."""
        if error is None:
            self.trouble.succeeded()
        elif _is_outage(error):
            self._begin_outage(str(error))
        elif isinstance(error, StoreError) and status_of(error) == UNAVAILABLE:
            self.trouble.refused(str(error))

    def close(self) -> None:
        """Stop probing."""
        self._closed.set()

    def _begin_outage(self, reason: str) -> None:
        with self._lock:
            if self._outage is not None:
                return
            self._told.clear()
            self._note(reason)
        Thread(target=self._watch, name="redis-probe", daemon=True).start()

    def _watch(self) -> None:
        while not self._answers():
            if self._closed.wait(self._interval_seconds):
                return
        # In this order: whoever reads the line may ask at once.
        self._outage = None
        log.info("redis is back")

    def _answers(self) -> bool:
        try:
            self._probe()
        except StoreError as error:
            # No writes or a wrong password is an answer, too: each caller is told what it is.
            if not _is_outage(error):
                return True
            self._note(str(error))
            return False
        return True

    def _note(self, reason: str) -> None:
        # The last one counts: a Redis that comes back loads its data first, and who waits should hear that.
        self._outage = reason
        if reason not in self._told:
            self._told.add(reason)
            log.warning("redis is away; answering 503 until it is back", reason=reason)


def _is_outage(error: BaseException | None) -> bool:
    # One that is full or a replica still serves reads.
    return isinstance(error, StoreUnavailable) and not isinstance(error, WritesRefused)
