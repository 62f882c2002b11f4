"""A job as a client sees it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

ENDED: Final = frozenset({"succeeded", "failed", "cancelled", "expired"})


class JobError(Struct, frozen=True):
    """Why the last attempt that counted failed. Lists leave the traceback out."""

    type: str
    message: str
    traceback: str | None = None


class JobView(Struct, frozen=True, kw_only=True):
    """A job. The answer to a submit has its first five fields; lists leave out payload and result; absent is None.

    Fields of a newer server that are not here are passed over.
    """

    id: str
    status: str
    type: str | None = None
    queue: str | None = None
    priority: int | None = None
    tags: tuple[str, ...] = ()
    payload: Any = None
    result: Any = None
    progress: Mapping[str, Any] | None = None
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    max_attempts: int | None = None
    max_crashes: int | None = None
    #: Seconds.
    timeout: float | None = None
    created_at: datetime | None = None
    run_at: datetime | None = None
    expires_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    wait_seconds: float | None = None
    run_seconds: float | None = None
    supervisor: str | None = None
    worker: int | None = None
    reason: str | None = None
    error: JobError | None = None
    receipt: Mapping[str, Any] | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it will not run again by itself."""
        return self.status in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether its handler returned; then `result` is what it returned."""
        return self.status == "succeeded"


class LogItem(Struct, frozen=True):
    """Some output in a row: the job had printed `at` bytes before it and `next` with it."""

    at: int
    next: int
    text: str
    attempt: int
    left_out: int = 0


class LogItems(Struct, frozen=True):
    """The answer to GET /jobs/{job_id}/log."""

    items: tuple[LogItem, ...]


class Page(Struct, frozen=True):
    """The answer to GET /jobs."""

    items: tuple[JobView, ...]
    next_cursor: str | None
