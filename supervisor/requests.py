"""What clients ask of this supervisor while it runs: heard with a beat, done once, acknowledged with a later beat."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from jobworker.store.claims import Attempted
from jobworker.store.errors import StoreError
from jobworker.store.request import Request
from jobworker.supervisor.stack import Stack

log = structlog.get_logger("jobworker.requests")


class Requests:
    """Owns the requests that Redis still lists, and which of them are done.

    Told:   what is asked (by the lease, with each answer to a beat).
    Tells:  the pool, how many workers are wanted; the desk, whose stack; the supervisor, to drain;
            the lease, what is done.
    """

    def __init__(
        self,
        *,
        take_stack: Callable[[Attempted], Awaitable[Stack | None]],
        keep_stack: Callable[[Attempted, str, str], Awaitable[None]],
        resize: Callable[[int], None],
        drain: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._take_stack = take_stack
        self._keep_stack = keep_stack
        self._resize = resize
        self._drain = drain
        self._spawn = spawn
        #: Begun, and listed by Redis until it has heard that they are done.
        self._begun: set[Request] = set()
        self._done: set[Request] = set()

    def done(self) -> list[Request]:
        """Return what the next beat acknowledges."""
        return list(self._done)

    def take(self, asked: Sequence[Request]) -> None:
        """Begin what is new. A beat whose answer was lost is answered again by the next: nothing is begun twice."""
        listed = set(asked)
        self._done &= listed
        # What is no longer listed and not done either was asked anew: its end is of no interest.
        self._begun &= listed
        for request in asked:
            if request not in self._begun:
                self._begun.add(request)
                self._begin(request)

    def _begin(self, request: Request) -> None:
        match request.kind:
            case "stack":
                self._spawn(self._stack(request))
                return
            case "scale":
                log.info("workers wanted by a request", workers=request.number)
                self._resize(request.number)
            case "drain":
                log.info("drained by a request", who=request.note.who, reason=request.note.reason)
                self._drain()
            case _:
                log.warning("a request that this version does not know", request=request.field)
        self._done.add(request)

    async def _stack(self, request: Request) -> None:
        attempted = Attempted(request.job_id, request.number)
        stack = await self._take_stack(attempted)
        if stack is not None:
            # Redis away or full: whoever waits asks again.
            with suppress(StoreError):
                await self._keep_stack(attempted, stack.text, stack.missing)
        self._done.add(request)
