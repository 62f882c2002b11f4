"""A job as Redis keeps it: what goes in, what comes out. Handlers see `jobworker.handlers.Job` instead."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

from jobworker.store.backoff import Backoff
from jobworker.store.callback import Callback
from jobworker.store.errors import RecordDamaged
from jobworker.store.idempotency import IdempotencyKey
from jobworker.store.report import Progress
from jobworker.store.scripts import Argument
from jobworker.store.states import ENDED, JobState, KilledBy, Outcome
from jobworker.store.trace import trace_id_of
from jobworker.store.unique import UniqueKey


class NewJob(Struct, frozen=True):
    """A job to enqueue. None leaves a value to the handler's declaration, read when the job is claimed."""

    id: str
    type: str
    queue: str = "default"
    priority: int = 5
    payload: bytes = b"null"
    delay_ms: int = 0
    run_at_ms: int | None = None
    expires_at_ms: int | None = None
    #: 0: no deadline (only a handler's declaration may say so).
    timeout_ms: int | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    backoff: Backoff | None = None
    memory_limit_mb: int | None = None
    #: The trace it belongs to: the headers `traceparent` and, behind a space, `tracestate`, if there is one. "": none.
    trace: str = ""
    #: By which it can be found, each as limits.Tag.
    tags: tuple[str, ...] = ()
    #: Who is told of its end.
    callback: Callback | None = None
    #: Whose occurrence it is. "": of none.
    schedule: str = ""
    #: Which request it is, if its client has said so.
    key: IdempotencyKey | None = None
    #: What no other job that waits or runs may have.
    unique: UniqueKey | None = None

    def arguments(self) -> list[Argument]:
        """Return the arguments that `lua/includes/storing.lua` takes."""
        optional: dict[str, Argument | None] = {
            "timeout_ms": self.timeout_ms,
            "max_attempts": self.max_attempts,
            "max_crashes": self.max_crashes,
            "memory_limit_mb": self.memory_limit_mb,
            "schedule": self.schedule or None,
            "backoff": None if self.backoff is None else msgspec.json.encode(self.backoff),
            "trace": self.trace or None,
            "callback": None if self.callback is None else self.callback.encode(),
            "unique": None if self.unique is None else self.unique.digest,
            "at_end": ("c" if self.callback else "") + ("u" if self.unique else "") or None,
        }
        fields = [item for name, value in optional.items() if value is not None for item in (name, value)]
        head: list[Argument] = [self.id, self.type, self.queue, self.priority, self.payload, self.delay_ms]
        times: list[Argument] = ["" if time is None else time for time in (self.run_at_ms, self.expires_at_ms)]
        return [*head, *times, " ".join(self.tags), len(fields), *fields]

    @property
    def size_bytes(self) -> int:
        """How much it adds to a call, roughly: two names may be long."""
        return len(self.payload) + len(self.type) + len(self.queue) + len(self.trace) + 100 * len(self.tags) + 400


class Note(Struct, frozen=True):
    """Who wants something, and why."""

    who: str = "a client"
    reason: str | None = None


class Receipt(Struct, frozen=True):
    """What an attempt cost."""

    wall_seconds: float
    cpu_user_seconds: float
    cpu_system_seconds: float
    #: Peak of the job itself; None for jobs under 10 ms, where resetting the counter costs more than it tells.
    peak_rss_bytes: int | None = None

    def encode(self) -> bytes:
        """Return it as a record keeps it: its values in a list.

        A hash takes more than twice the memory as soon as one of its values has more than 64 bytes.
        """
        return msgspec.json.encode(msgspec.structs.astuple(self))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read what `encode` has written, or a version before this one, with names. Raises MsgspecError."""
        if value.startswith(b"{"):
            return msgspec.json.decode(value, type=cls)
        return cls(*msgspec.json.decode(value, type=tuple[float, float, float, int | None]))


class ErrorInfo(Struct, frozen=True, omit_defaults=True):
    """Why an attempt failed: the exception, or the verdict on a dead worker in words."""

    type: str
    message: str
    traceback: str | None = None


class AttemptDetail(Struct, frozen=True, omit_defaults=True):
    """The part of an attempt's record that only its supervisor knows (opaque to Redis)."""

    error: ErrorInfo | None = None
    signal: str | None = None
    exit_code: int | None = None
    receipt: Receipt | None = None
    reason: str | None = None
    #: In which it hung when it was killed at its deadline.
    stack: str | None = None
    #: Why that is not known.
    no_stack: str | None = None
    #: None: nobody killed it, or nobody knows who did.
    killed_by: KilledBy | None = None


class Attempt(Struct, frozen=True):
    """One failed attempt, as kept with the job (the last 20)."""

    outcome: Outcome
    attempt: int
    started_ms: int
    ended_ms: int
    supervisor: str
    epoch: int
    worker: int
    detail: AttemptDetail

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Read a record as `lua/includes/settle.lua` writes it: seven words, then JSON."""
        outcome, attempt, started, ended, name, epoch, worker, detail = line.split(b" ", 7)
        return cls(
            outcome=Outcome(outcome.decode()),
            attempt=_number(attempt),
            started_ms=_time(started),
            ended_ms=_time(ended),
            supervisor=_text(name),
            epoch=_number(epoch),
            worker=_number(worker),
            detail=msgspec.json.decode(detail, type=AttemptDetail),
        )


class JobSummary(Struct, frozen=True):
    """What a list shows of a job, as read from Redis at `now_ms` (Redis's clock, like every time here).

    Each job has a type, a queue, a priority and two times; None stands for one that cannot be read.
    """

    now_ms: int
    id: str
    type: str | None
    queue: str | None
    priority: int | None
    status: JobState
    created_ms: int | None
    run_at_ms: int | None
    expires_ms: int | None = None
    timeout_ms: int | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    memory_limit_mb: int | None = None
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    cancel_requested_ms: int | None = None
    cancelled_by: Note | None = None
    owner: str | None = None
    worker: int | None = None
    reason: str | None = None
    #: While it waits because its type is held: why.
    held: str | None = None
    error: ErrorInfo | None = None
    receipt: Receipt | None = None
    progress: Progress | None = None
    progress_ms: int | None = None
    #: How much the job has printed so far, left-out bytes counted.
    log_bytes: int = 0
    #: As in NewJob.
    trace: str = ""
    tags: tuple[str, ...] = ()

    @property
    def trace_id(self) -> str | None:
        """The trace it belongs to, as 32 hexadecimal digits."""
        return trace_id_of(self.trace)

    @property
    def ended(self) -> bool:
        """Whether the job has reached a terminal state."""
        return self.status in ENDED

    @classmethod
    def decode(cls, job_id: str, now_ms: int, fields: Mapping[bytes, bytes]) -> Self:
        """Read fields of the job's hash. A job not started by its expiry is `expired`, swept or not.

        What cannot be read is as if it were absent; only without a status there is nothing to tell: raises
        RecordDamaged.
        """
        values: dict[str, Any] = dict.fromkeys(("type", "queue", "priority", "created_ms", "run_at_ms"))
        for name, decode in _DECODERS.items():
            if (value := fields.get(name.encode())) is not None:
                with suppress(*_UNREADABLE):
                    values[name] = decode(value)
        if "status" not in values:
            raise RecordDamaged(job_id)
        record = cls(now_ms=now_ms, id=job_id, **values)
        return record._expire_if_due()

    def _expire_if_due(self) -> Self:
        not_started = self.status in (JobState.PENDING, JobState.SCHEDULED) and not self.failures + self.crashes
        if not_started and self.expires_ms is not None and self.expires_ms <= self.now_ms:
            return msgspec.structs.replace(self, status=JobState.EXPIRED, ended_ms=self.expires_ms)
        return self


class JobRecord(JobSummary, frozen=True, kw_only=True):
    """A job, whole."""

    payload: bytes = b"null"
    backoff: Backoff | None = None
    token: int | None = None
    epoch: int | None = None
    result: bytes | None = None
    #: Asked for while it ran, at `stack_ms`; empty: there was none, for the reason `no_stack`.
    stack: str | None = None
    no_stack: str | None = None
    stack_ms: int | None = None
    callback: Callback | None = None
    #: Of the job that tells of its last end.
    delivery_id: str | None = None
    attempts: tuple[Attempt, ...] = ()

    @classmethod
    def decode(cls, job_id: str, now_ms: int, fields: Mapping[bytes, bytes]) -> Self:
        """Read the job's hash. Raises RecordDamaged."""
        record = super().decode(job_id, now_ms, fields)
        return msgspec.structs.replace(record, attempts=_attempts(fields))


def _attempts(fields: Mapping[bytes, bytes]) -> tuple[Attempt, ...]:
    found: dict[int, Attempt] = {}
    for name, line in fields.items():
        if name.startswith(b"attempt:"):
            with suppress(*_UNREADABLE):
                found[int(name[8:])] = Attempt.decode(line)
    return tuple(attempt for _, attempt in sorted(found.items()))


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _words(value: bytes) -> tuple[str, ...]:
    return tuple(_text(value).split())


def _status(value: bytes) -> JobState:
    return JobState(value.decode())


def _number(value: bytes) -> int:
    number = int(value)
    if abs(number) >= 2**53:
        raise ValueError("no number of ours is that large, and none in JSON is exact there")
    return number


def _time(value: bytes) -> int:
    ms = int(value)
    if not 0 <= ms < _YEAR_10000_MS:
        raise ValueError(f"no date has {ms} ms")
    return ms


#: 10000-01-01 in UTC: `datetime`, and RFC 3339, end before it.
_YEAR_10000_MS: Final = 253_402_300_800_000

#: What decoders raise of a field that somebody else has written.
_UNREADABLE: Final = (ValueError, msgspec.MsgspecError, RecursionError)

_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    **dict.fromkeys(("type", "queue", "owner", "reason", "held", "stack", "no_stack", "trace", "delivery_id"), _text),
    **dict.fromkeys(
        (
            *("priority", "timeout_ms", "max_attempts", "max_crashes", "attempt", "failures", "crashes"),
            *("token", "epoch", "worker", "log_bytes", "memory_limit_mb"),
        ),
        _number,
    ),
    **dict.fromkeys(
        (
            *("created_ms", "run_at_ms", "expires_ms", "started_ms", "ended_ms", "cancel_requested_ms"),
            *("stack_ms", "progress_ms"),
        ),
        _time,
    ),
    **dict.fromkeys(("payload", "result"), bytes),
    "status": _status,
    "tags": _words,
    "callback": Callback.decode,
    "backoff": msgspec.json.Decoder(Backoff).decode,
    "error": msgspec.json.Decoder(ErrorInfo).decode,
    "receipt": Receipt.decode,
    "progress": msgspec.json.Decoder(Progress).decode,
    "cancelled_by": msgspec.json.Decoder(Note).decode,
}
