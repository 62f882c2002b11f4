"""What ends a command with one line on stderr; the exit code says who must act."""

import click


class Failed(click.ClickException):
    """What was asked could not be done."""

    exit_code = 1


class NotReachable(click.ClickException):
    """The API, or the Redis behind it, is away."""

    exit_code = 3


class Refused(click.ClickException):
    """The API answered that it will not do this."""

    exit_code = 1

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unavailable(NotReachable):
    """The API is there and asks to come back later."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
