"""Follow-up jobs: what a handler submits goes in with its success, all of it or nothing."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta, Struct

from jobworker.handlers.declaration import BackoffDeclaration
from jobworker.handlers.errors import InvalidSubmission
from jobworker.handlers.limits import (
    MAX_DELAY_SECONDS,
    DelaySeconds,
    MaxAttempts,
    MaxCrashes,
    MemoryLimitMb,
    Name,
    Priority,
    Tags,
    TimeoutSeconds,
)
from jobworker.handlers.result import encode_json

#: What one attempt may submit: jobs, and bytes of all their payloads together.
MAX_FOLLOW_UPS: Final = 200
MAX_FOLLOW_UP_BYTES: Final = 1024 * 1024

#: What names of our own types and queues begin with: no handler submits to them.
RESERVED: Final = "jobworker."

_NAMESPACE: Final = UUID("0193a1f4-0000-7000-8000-6a6f62776f72")

Instant = Annotated[datetime, Meta(tz=True)]


class FollowUp(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A job that a handler submits. What is left out comes from the declaration of its type, or from the settings."""

    id: str
    type: Name
    #: JSON.
    payload: bytes
    queue: Name | None = None
    priority: Priority | None = None
    delay: DelaySeconds | None = None
    run_at: Instant | None = None
    #: The latest time of its first start.
    expires_at: Instant | None = None
    timeout: TimeoutSeconds | None = None
    max_attempts: MaxAttempts | None = None
    max_crashes: MaxCrashes | None = None
    backoff: BackoffDeclaration | None = None
    memory_limit_mb: MemoryLimitMb | None = None
    #: That of the job whose handler submits it.
    trace: str = ""
    tags: Tags = ()


class Submissions:
    """Owns the follow-up jobs of one attempt, in the order in which they were submitted.

    Told:   one more (by the handler, from any of its threads); the attempt has ended (by who runs it).
    """

    def __init__(self) -> None:
        self._follow_ups: list[FollowUp] = []
        self._size_bytes = 0
        self._ended = False
        self._adding = threading.Lock()

    def add(self, job_id: str, type_name: str, payload: Any, options: Mapping[str, Any]) -> str:
        """Take a follow-up of a job in; return its id. Raises InvalidSubmission."""
        encoded = encode_json(payload, lambda why: _refusal(type_name, f"its payload {why}"))
        with self._adding:
            self._require_room(type_name, len(encoded))
            # Of the job and the place in its row: whenever the job succeeds, however often, they are the same.
            follow_up_id = str(uuid5(_NAMESPACE, f"{job_id} {len(self._follow_ups)}"))
            given = {name: value for name, value in options.items() if value is not None}
            self._follow_ups.append(_read({"id": follow_up_id, "type": type_name, "payload": encoded, **given}))
            self._size_bytes += len(encoded)
        return follow_up_id

    def close(self) -> tuple[FollowUp, ...]:
        """Return what was submitted; from now on nothing is."""
        with self._adding:
            self._ended = True
            return tuple(self._follow_ups)

    def _require_room(self, type_name: str, payload_bytes: int) -> None:
        if self._ended:
            raise _refusal(type_name, "the attempt that submits it has ended")
        if len(self._follow_ups) == MAX_FOLLOW_UPS:
            raise _refusal(type_name, f"an attempt may submit {MAX_FOLLOW_UPS} jobs, and has")
        if self._size_bytes + payload_bytes > MAX_FOLLOW_UP_BYTES:
            why = f"the payloads of all that an attempt submits may have {MAX_FOLLOW_UP_BYTES} bytes together"
            raise _refusal(type_name, f"{why}; with this one they would have {self._size_bytes + payload_bytes}")


def _read(fields: Mapping[str, Any]) -> FollowUp:
    try:
        follow_up = msgspec.convert(fields, FollowUp)
    except msgspec.ValidationError as error:
        raise _refusal(fields["type"], str(error).replace(" - at `$.", ", in its `")) from None
    _check_times(follow_up, datetime.now(UTC))
    if follow_up.type.startswith(RESERVED) or (follow_up.queue or "").startswith(RESERVED):
        raise _refusal(follow_up.type, f"types and queues that begin with {RESERVED} are our own")
    return follow_up


def _check_times(follow_up: FollowUp, now: datetime) -> None:
    delay, run_at, expires_at = follow_up.delay, follow_up.run_at, follow_up.expires_at
    if run_at is not None and delay is not None:
        raise _refusal(follow_up.type, "delay and run_at exclude each other: give one of them")
    if run_at is not None and run_at > now + timedelta(seconds=MAX_DELAY_SECONDS):
        raise _refusal(follow_up.type, f"its run_at must be within {MAX_DELAY_SECONDS // 86_400} days from now")
    if expires_at is not None and expires_at <= max(run_at or now + timedelta(seconds=delay or 0.0), now):
        raise _refusal(follow_up.type, "it would expire before it is due")


def _refusal(type_name: object, why: str) -> InvalidSubmission:
    return InvalidSubmission(f"a follow-up job of type {type_name} is refused: {why}")
