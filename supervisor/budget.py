"""What an attempt may take: the job's own request, else its handler's declaration, else the settings."""

from collections.abc import Mapping
from typing import Self

from msgspec import UNSET, Struct

from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Claim
from jobworker.store.settings import JobSettings


class Budget(Struct, frozen=True):
    """The limits of one job, all known."""

    #: None: no deadline.
    timeout_seconds: float | None
    max_attempts: int
    max_crashes: int
    backoff: Backoff
    #: None: no limit.
    memory_limit_mb: int | None = None
    #: Always before the deadline; None: the handler is not interrupted.
    soft_timeout_seconds: float | None = None
    #: It must not overlap with another attempt, even when this host is cut off.
    exclusive: bool = False

    @classmethod
    def of(cls, claim: Claim, catalogue: Mapping[str, HandlerEntry], settings: JobSettings) -> Self:
        """Resolve what was not known when the job was enqueued."""
        entry = catalogue.get(claim.type)
        declared = entry.defaults if entry else HandlerDefaults()
        timeout_seconds = _timeout_seconds(claim, declared, settings)
        return cls(
            timeout_seconds=timeout_seconds,
            max_attempts=claim.max_attempts or declared.max_attempts or settings.max_attempts,
            max_crashes=claim.max_crashes or declared.max_crashes or settings.max_crashes,
            backoff=claim.backoff or declared.backoff or settings.backoff,
            memory_limit_mb=claim.memory_limit_mb or declared.memory_limit_mb or settings.memory_limit,
            soft_timeout_seconds=_soft_timeout_seconds(declared, timeout_seconds),
            exclusive=bool(declared.exclusive),
        )


def _timeout_seconds(claim: Claim, declared: HandlerDefaults, settings: JobSettings) -> float | None:
    if claim.timeout_ms is not None:
        return claim.timeout_ms / 1000 or None
    return settings.timeout if declared.timeout is UNSET else declared.timeout


def _soft_timeout_seconds(declared: HandlerDefaults, timeout_seconds: float | None) -> float | None:
    soft = declared.soft_timeout
    # A request may ask for a deadline that comes first.
    return None if soft is None or (timeout_seconds is not None and timeout_seconds <= soft) else soft
