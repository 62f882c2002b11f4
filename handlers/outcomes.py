"""What a handler raises to say how its attempt ended."""

from jobworker.handlers.limits import MAX_RETRY_SECONDS


class Retry(Exception):
    """This attempt failed; try again after so many seconds (None: as the backoff says).

    It spends one of `max_attempts`, as any other exception does.
    """

    def __init__(self, after: float | None = None, reason: str | None = None) -> None:
        if after is not None and not _is_delay(after):
            raise ValueError(f"Retry(after={after!r}): seconds from 0 to {MAX_RETRY_SECONDS:,} (366 days) are allowed")
        # Both go into `args`, from which pickle builds the copy that comes back from a process pool.
        super().__init__(after, reason)
        self.after = after
        self.reason = reason

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason or "the handler asked for a retry"


class Fail(Exception):
    """The job has failed for good: no further attempt."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SoftTimeout(BaseException):
    """The handler's `soft_timeout` has passed: tidy up and end; the deadline comes next.

    No Exception, so that `except Exception` does not swallow it. Not caught, it is a failed attempt: `timed_out`.
    """


def _is_delay(after: object) -> bool:
    return isinstance(after, int | float) and 0 <= after <= MAX_RETRY_SECONDS
