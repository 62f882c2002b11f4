"""Errors of the handlers, split by who must act. `Retry` and `Fail` are not among them: they are answers."""

from typing import Self


class HandlerError(Exception):
    """Something is wrong with a handler, its payload or its result."""


class InvalidDeclaration(HandlerError):
    """The decorator's arguments or the function's signature are refused: its author must act."""


class UnknownHandler(HandlerError):
    """No handler has this type."""


class LoadFailed(HandlerError):
    """A module of handlers does not import: its author must act. `traceback` begins in the author's code."""

    def __init__(self, message: str, traceback: str | None = None) -> None:
        super().__init__(message)
        self.traceback = traceback


class InvalidPayload(HandlerError):
    """The payload does not fit the handler's annotation: whoever submitted the job must act."""

    @classmethod
    def misfit(cls, handler: str, why: str, payload: bytes) -> Self:
        """Say why a payload does not fit; also where null comes from, which hardly anybody writes."""
        hint = " (a request without payload counts as null)" if payload.strip() == b"null" else ""
        return cls(f"the payload does not fit {handler}: {why}{hint}")


class BadResult(HandlerError):
    """What the handler returned cannot be the job's result: its author must act."""


class InvalidSubmission(HandlerError):
    """What a handler gave to `job.submit` cannot be a job: its author must act."""


class ProgramFailed(HandlerError):
    """The program of an `exec` handler did not run, or ended with another exit code than 0: its author must act."""


class RequestFailed(HandlerError):
    """The service of an `http` handler cannot be reached, or has answered that it could not do it now."""
