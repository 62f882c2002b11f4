"""Errors of the API, and the HTTP status of each; the docstring is the default message."""

from collections.abc import Sequence
from typing import Final

from jobworker.store.errors import (
    BadCursor,
    InvalidJob,
    InvalidSchedule,
    JobNotFound,
    KeyReused,
    NotRunning,
    NotUnique,
    QueueNotFound,
    RecordDamaged,
    ScheduleNotFound,
    StoreError,
    SupervisorNotFound,
    WrongState,
)


class ApiError(Exception):
    """The API could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class AddressUnusable(ApiError):
    """The address to listen on is in use, does not exist, or may not be used."""


class RequestRefused(ApiError):
    """The request is refused, and nothing has changed."""

    #: JSON pointer to the part of the body that is at fault.
    pointer: str | None = None


class MalformedRequest(RequestRefused):
    """The request cannot be read."""


class ForeignRequest(RequestRefused):
    """The request comes from where none may come."""


class Unauthenticated(RequestRefused):
    """The request needs a valid API key."""


class InsufficientScope(RequestRefused):
    """The API key may not be used for this."""


class TooManyFailures(RequestRefused):
    """Too many requests without a valid API key."""


class InvalidQuery(RequestRefused):
    """A parameter of the query is not what is allowed here."""


class NotAJobId(RequestRefused):
    """The path names no job."""


class NotAName(RequestRefused):
    """The path is no name."""


class PayloadTooLarge(RequestRefused):
    """The payload is too large."""

    pointer = "/payload"


class NotJson(RequestRefused):
    """The body is not declared to be JSON."""


class NoResult(RequestRefused):
    """The job has no result."""


class Overloaded(RequestRefused):
    """Too many requests wait."""


class SupervisorSilent(ApiError):
    """The supervisor does not answer."""


class EncodedBody(RequestRefused):
    """The body is compressed or encoded."""


class InvalidBody(RequestRefused):
    """The body is JSON, but not what is allowed here."""

    def __init__(self, message: str, *, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class BatchRefused(RequestRefused):
    """Not every job of the batch can be taken, so none was."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{len(problems)} of the jobs cannot be taken, so none was")
        #: JSON pointer and sentence for each.
        self.problems = problems


#: What a client is told. Looked up along the class's bases: the nearest counts.
STATUS: Final[dict[type[Exception], int]] = {
    MalformedRequest: 400,
    Unauthenticated: 401,
    ForeignRequest: 403,
    InsufficientScope: 403,
    NotAJobId: 404,
    NotAName: 404,
    JobNotFound: 404,
    ScheduleNotFound: 404,
    QueueNotFound: 404,
    SupervisorNotFound: 404,
    NoResult: 409,
    NotRunning: 409,
    NotUnique: 409,
    RecordDamaged: 409,
    WrongState: 409,
    PayloadTooLarge: 413,
    NotJson: 415,
    EncodedBody: 415,
    InvalidBody: 422,
    BatchRefused: 422,
    InvalidJob: 422,
    InvalidSchedule: 422,
    InvalidQuery: 422,
    KeyReused: 422,
    BadCursor: 422,
    TooManyFailures: 429,
    Overloaded: 503,
    SupervisorSilent: 503,
    StoreError: 503,
}


def status_of(error: Exception) -> int:
    """Return the HTTP status that `error` stands for; 500 for what nobody foresaw."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def pointer_of(error: Exception) -> str | None:
    """Return the JSON pointer to the part of the body that `error` is about, if it is about one."""
    if isinstance(error, InvalidSchedule):
        return f"/{error.field}" if error.field else ""
    if isinstance(error, InvalidJob):
        return f"/{error.field}"
    return error.pointer if isinstance(error, RequestRefused) else None


def problems_of(error: Exception) -> Sequence[tuple[str, str]]:
    """Return the parts of the body that are at fault, each with the sentence about it."""
    if isinstance(error, BatchRefused):
        return error.problems
    pointer = pointer_of(error)
    return [] if pointer is None else [(pointer, str(error))]
