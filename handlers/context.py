"""The job as its handler sees it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from jobworker.handlers.joblog import JOB_LOG
from jobworker.handlers.submission import Submissions


def _tell_nobody(_fraction: float | None, _message: str) -> None:
    """Take a progress where nobody listens: in tests of handlers."""


class Job(Struct, frozen=True, kw_only=True):
    """One attempt of one job; a handler gets it as its second parameter."""

    id: str
    type: str
    queue: str
    #: 1 for the first.
    attempt: int
    max_attempts: int
    #: Grows with every attempt of any job. A system that remembers the highest it has seen for a resource can
    #: refuse a late writer whose attempt has been given to somebody else.
    fencing_token: int
    created_at: datetime
    #: The trace it belongs to: the headers `traceparent` and, behind a space, `tracestate`; "": none.
    trace: str = ""
    #: As its request gave them.
    tags: tuple[str, ...] = ()
    #: When the attempt is killed, by `time.monotonic()`; None: never.
    deadline_monotonic: float | None = None
    #: Takes each progress.
    tell_progress: Callable[[float | None, str], object] = _tell_nobody
    #: Keeps what is submitted.
    submissions: Submissions = field(default_factory=Submissions)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until this attempt is killed, never below 0; None if it has no deadline."""
        if self.deadline_monotonic is None:
            return None
        return max(0.0, self.deadline_monotonic - time.monotonic())

    @property
    def traceparent(self) -> str | None:
        """What to send as `traceparent` with all that this attempt asks of others; None: it belongs to no trace."""
        return self.trace.partition(" ")[0] or None

    @property
    def tracestate(self) -> str | None:
        """What to send as `tracestate` beside it."""
        return self.trace.partition(" ")[2] or None

    @property
    def trace_headers(self) -> dict[str, str]:
        """Both by their names, as far as there are any."""
        found = {"traceparent": self.traceparent, "tracestate": self.tracestate}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines go to the job's output, from level INFO on."""
        return JOB_LOG

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Say how far the attempt is: a fraction from 0 to 1, or None when that is not known, and what it is about.

        Costs about a microsecond, however often; who reads the job sees it within half a second. A message of more
        than 500 characters is cut. Raises ValueError when the fraction is not from 0 to 1, TypeError when it is no
        number or the message no text.
        """
        try:
            is_part = fraction is None or 0 <= fraction <= 1
        except TypeError:
            raise TypeError(f"the fraction of a progress is a number from 0 to 1 or None, not {fraction!r}") from None
        if not is_part:
            raise ValueError(f"the fraction of a progress is a number from 0 to 1, not {fraction}")
        if not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance] # not all check their types
            raise TypeError(f"the message of a progress is a text, not {message!r}")
        self.tell_progress(fraction, message)

    def submit(
        self,
        type: str,  # noqa: A002 - the word of the API
        payload: Any = None,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay: float | None = None,
        run_at: datetime | None = None,
        expires_at: datetime | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        max_crashes: int | None = None,
        backoff: Mapping[str, Any] | None = None,
        memory_limit_mb: int | None = None,
        tags: Sequence[str] | None = None,
    ) -> str:
        """Submit a follow-up job, and return its id. It exists as soon as this one has succeeded, and only then.

        The options are those of `POST /jobs`, times are seconds and aware datetimes. Raises InvalidSubmission when one
        is out of its range, or beyond 200 jobs or 1 MiB of payloads an attempt.
        """
        options = {
            "queue": queue,
            "priority": priority,
            "delay": delay,
            "run_at": run_at,
            "expires_at": expires_at,
            "timeout": timeout,
            "max_attempts": max_attempts,
            "max_crashes": max_crashes,
            "backoff": backoff,
            "memory_limit_mb": memory_limit_mb,
            "tags": None if tags is None else tuple(dict.fromkeys(tags)),
            "trace": self.trace or None,
        }
        return self.submissions.add(self.id, type, payload, options)
