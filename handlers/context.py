"""The job as its handler sees it."""

import time
from datetime import datetime

from msgspec import Struct


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
    #: When the attempt is killed, by `time.monotonic()`; None: never.
    deadline_monotonic: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until this attempt is killed, never below 0; None if it has no deadline."""
        if self.deadline_monotonic is None:
            return None
        return max(0.0, self.deadline_monotonic - time.monotonic())

    def progress(self, fraction: float | None, message: str = "") -> None:  # noqa: ARG002
        """Say how far the attempt is: a fraction from 0 to 1, or None when that is not known, and what it is about."""
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"the fraction of a progress is a number from 0 to 1, not {fraction}")
