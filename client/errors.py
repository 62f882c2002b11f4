"""What a client may be told instead of an answer; one root, one class a meaning."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec


class ClientError(Exception):
    """Root of all that a client raises."""


class NotReachable(ClientError):
    """No answer came. `sent`: the request may have been obeyed all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class NotEnded(ClientError, TimeoutError):
    """The job had not ended in the time that was given; it goes on."""


class Refused(ClientError):
    """The API refused: `status` of HTTP, `errors` of (JSON pointer, what is wrong there), `request_id` for its log."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        errors: Sequence[tuple[str, str]] = (),
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        found = "; ".join(f"{pointer}: {what}" for pointer, what in errors if what not in detail)
        super().__init__(f"{detail} ({found})" if found else detail)
        self.status = status
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(Refused):
    """401: a key is needed, or this one is not known."""


class Forbidden(Refused):
    """403: the key lacks a scope."""


class NotFound(Refused):
    """404: there is no such job, queue, schedule or supervisor."""


class Conflict(Refused):
    """409: its state does not allow this."""


class TooLarge(Refused):
    """413: the body is larger than allowed."""


class Invalid(Refused):
    """422: something in the request is not what is allowed."""


class QueueFull(Refused):
    """429: the queue is full, or too many requests came."""


class Unavailable(Refused):
    """503: Redis is away or full, or the API is overloaded. Try again after `retry_after_seconds`."""


class ItemRefused(Refused):
    """One job of `submit_many` was refused; `index` counts from 0."""

    def __init__(self, index: int, detail: str, *, status: int, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail, status=status, errors=errors)
        self.index = index


_BY_STATUS: Final[Mapping[int, type[Refused]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: QueueFull,
    503: Unavailable,
}


def refusal(status: int, body: bytes, retry_after: str | None) -> Refused:
    """Return the error that an answer of 400 or more stands for."""
    problem = _problem(body)
    kind = _BY_STATUS.get(status, Refused)
    detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    request_id = problem.get("request_id")
    return kind(detail, status=status, errors=field_errors(problem), request_id=request_id, retry_after_seconds=seconds)


def field_errors(problem: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong with which part of a body."""
    errors = cast("list[dict[str, Any]]", problem.get("errors") or [])
    return [(str(error.get("pointer")), str(error.get("detail"))) for error in errors]


def _problem(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Somebody between us and the API has answered.
        return {}
