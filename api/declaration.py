"""What a job gets where its request says nothing: the handler's declaration, then the settings."""

from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType

from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults
from jobworker.store.settings import JobSettings

Value = TypeVar("Value")


class Declaration(Struct, frozen=True):
    """Every value that a request may leave out."""

    queue: str
    priority: int
    #: 0: no deadline.
    timeout_ms: int
    max_attempts: int
    max_crashes: int
    backoff: Backoff
    #: None: no limit.
    memory_limit_mb: int | None

    @classmethod
    def of(cls, handler: HandlerDefaults, settings: JobSettings) -> "Declaration":
        """Return what a handler declares, completed from the settings."""
        timeout = settings.timeout if handler.timeout is UNSET else handler.timeout
        return cls(
            queue=given(handler.queue, settings.queue),
            priority=given(handler.priority, settings.priority),
            timeout_ms=0 if timeout is None else milliseconds(timeout),
            max_attempts=given(handler.max_attempts, settings.max_attempts),
            max_crashes=given(handler.max_crashes, settings.max_crashes),
            backoff=given(handler.backoff, settings.backoff),
            memory_limit_mb=given(handler.memory_limit_mb, settings.memory_limit),
        )


def given(value: Value | UnsetType | None, otherwise: Value) -> Value:
    """Return `value`, or `otherwise` if it was left out."""
    return otherwise if value is UNSET or value is None else value


def milliseconds(seconds: float) -> int:
    """Return a duration as Redis keeps it."""
    return round(seconds * 1000)
