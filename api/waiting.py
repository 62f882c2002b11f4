"""A request that waits for the end of a job: what it asks for, and how a responder lets its thread go meanwhile."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Protocol

import falcon
from msgspec import UNSET, Meta, UnsetType

from jobworker.api.headers import PLACE
from jobworker.api.schemas import Request

MOST_SECONDS: Final = 60
#: When to ask again where there is no room to wait.
FULL_RETRY_SECONDS: Final = 5
#: The header by which a client says how long it would wait.
PREFER: Final = "Prefer"

_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?\Z', re.IGNORECASE)


class WaitQuery(Request, frozen=True):
    """The parameters of GET /jobs/{job_id}."""

    #: Answer when the job has ended, or after so many seconds.
    wait: Annotated[int, Meta(ge=0, le=MOST_SECONDS)] | UnsetType = UNSET


class Ticket:
    """One request that waits; it is answered on its next turn, whatever has become of the job by then."""

    def __init__(self, job_id: str, deadline: float) -> None:
        self.job_id = job_id
        #: Monotonic, in seconds.
        self.deadline = deadline
        #: Whether there is nothing to wait for any more: the job has ended, the time is over, the server drains.
        self.called = False
        #: Whether it is in line for a thread.
        self.in_line = False
        #: What the responder has done before it waited, and must not do again.
        self.done: object = None


class Park(BaseException):
    """Lets the thread go and keeps the request: the same responder is run again later.

    Not an Exception, so that nothing between a responder and its connection takes it for an error.
    """

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self.ticket = ticket


class Place(Protocol):
    """The connection of a request that may wait."""

    @property
    def ticket(self) -> Ticket | None:
        """What this request has waited with; None: it has not waited yet."""
        ...

    def enter(self, job_id: str, seconds: float) -> Ticket | None:
        """Return a ticket, which is called when the job ends from now on; None: there is no room."""
        ...

    def leave(self, ticket: Ticket) -> None:
        """Give a ticket back unused."""
        ...


def wanted_wait(req: falcon.Request) -> int | None:
    """Return how many seconds the header `Prefer: wait=` asks to wait, at most 60; None: it does not.

    What is no such number is passed over, as RFC 7240 wants it of preferences that are not understood.
    """
    found = (_WAIT.match(one) for one in (req.get_header(PREFER) or "").split(","))
    return next((min(int(match[1]), MOST_SECONDS) for match in found if match), None)


def ticket_of(req: falcon.Request) -> Ticket | None:
    """Return what a request has waited with; None: it has not waited."""
    place: Place | None = req.env.get(PLACE)
    return None if place is None else place.ticket


def wait_for_end(
    req: falcon.Request,
    resp: falcon.Response,
    job_id: str,
    seconds: int,
    announce: Callable[[], bool],
    *,
    done: object = None,
) -> None:
    """Return when the job has ended, the time is over, or there is no room to wait; else let the thread go.

    `announce` has the end told and returns whether it has come already. Raises Park, and what `announce` raises.
    """
    place: Place | None = req.env.get(PLACE)
    if seconds == 0 or place is None or place.ticket is not None:
        return
    # Before the look at the job: an end between the two is not missed.
    ticket = place.enter(job_id, seconds)
    if ticket is None:
        resp.set_header("Retry-After", str(FULL_RETRY_SECONDS))
        return
    ticket.done = done
    try:
        has_ended = announce()
    except BaseException:
        place.leave(ticket)
        raise
    if not has_ended:
        raise Park(ticket)
    place.leave(ticket)


def tell_preference(req: falcon.Request, resp: falcon.Response) -> None:
    """Say that the client's preference was heeded, if it has one and it was."""
    seconds = wanted_wait(req)
    if seconds is not None and resp.get_header("Retry-After") is None:
        resp.set_header("Preference-Applied", f"wait={seconds}")
