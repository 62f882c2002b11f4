"""What requests may hold and answers do hold. Ranges come from store/limits.py."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from jobworker.api.callback import CallbackRequest, CallbackView
from jobworker.api.durability import DurabilityView
from jobworker.store.job import Receipt
from jobworker.store.limits import (
    MAX_LOG_BYTES,
    MAX_PAGE_JOBS,
    MAX_WORKERS,
    BackoffFactor,
    BackoffSeconds,
    DelaySeconds,
    MaxAttempts,
    MaxCrashes,
    MemoryLimitMb,
    Name,
    Priority,
    Tag,
    Tags,
    TimeoutSeconds,
    UniqueKeyText,
)
from jobworker.store.states import JobState, KilledBy
from jobworker.store.unique import OnConflict

Instant = Annotated[datetime, Meta(tz=True)]
Seconds = Meta(description="seconds")
Reason = Annotated[str, Meta(max_length=1000)]


class Request(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the bodies: every field may be left out, none may be null."""


class BackoffRequest(Request, frozen=True):
    """The parts of a backoff that a request sets."""

    base: Annotated[BackoffSeconds, Seconds] | UnsetType = UNSET
    factor: BackoffFactor | UnsetType = UNSET
    max: Annotated[BackoffSeconds, Seconds] | UnsetType = UNSET
    jitter: bool | UnsetType = UNSET


class JobRequest(Request, frozen=True):
    """The body of POST /jobs."""

    type: Name | UnsetType = UNSET
    #: Kept as the bytes that came: decoding would lose what only the handler's type can tell.
    payload: Raw = field(default_factory=lambda: Raw(b"null"))
    queue: Name | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    delay: Annotated[DelaySeconds, Seconds] | UnsetType = UNSET
    run_at: Instant | UnsetType = UNSET
    #: The latest time of its first start: a job that has failed or crashed once is tried again later, too.
    expires_at: Instant | UnsetType = UNSET
    timeout: Annotated[TimeoutSeconds, Seconds] | UnsetType = UNSET
    max_attempts: MaxAttempts | UnsetType = UNSET
    max_crashes: MaxCrashes | UnsetType = UNSET
    backoff: BackoffRequest | UnsetType = UNSET
    memory_limit_mb: Annotated[MemoryLimitMb, Meta(description="MiB; a worker alone uses some 45")] | UnsetType = UNSET
    #: By which it can be found.
    tags: Tags | UnsetType = UNSET
    callback: CallbackRequest | UnsetType = UNSET
    #: Of the jobs with the same one at most one waits or runs.
    unique_key: UniqueKeyText | UnsetType = UNSET
    #: While another does: answer with that one, or refuse.
    on_conflict: OnConflict | UnsetType = UNSET


class JobsQuery(Request, frozen=True):
    """The parameters of GET /jobs."""

    status: JobState | UnsetType = UNSET
    type: Name | UnsetType = UNSET
    queue: Name | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET
    #: Created then or later.
    created_after: Instant | UnsetType = UNSET
    #: Created before then.
    created_before: Instant | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_JOBS)] = 50
    cursor: Annotated[str, Meta(max_length=1000)] | UnsetType = UNSET


class LogQuery(Request, frozen=True):
    """The parameters of GET /jobs/{job_id}/log."""

    follow: bool = False
    #: Leave out what the job printed before this byte.
    after: Annotated[int, Meta(ge=0, le=MAX_LOG_BYTES)] = 0


class EmptyRequest(Request, frozen=True):
    """The body of a POST that needs none."""


class ReasonRequest(Request, frozen=True):
    """The body of POST /jobs/{id}/cancel and POST /supervisors/{name}/drain."""

    reason: Reason | UnsetType = UNSET


class ScaleRequest(Request, frozen=True):
    """The body of POST /supervisors/{name}/scale."""

    #: How many jobs it shall run at once; must be given.
    workers: Annotated[int, Meta(ge=1, le=MAX_WORKERS)] | UnsetType = UNSET


class PauseRequest(Request, frozen=True):
    """The body of POST /jobs/pause and POST /jobs/resume; without a queue: everything."""

    queue: Name | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class PauseAnswer(Struct, frozen=True):
    """The answer to POST /jobs/pause and POST /jobs/resume; no queue: everything."""

    message: str
    queue: str | None


class ScaleAnswer(Struct, frozen=True):
    """The answer to POST /supervisors/{name}/scale: so many are wanted, and will be there soon."""

    name: str
    workers: int


class DrainAnswer(Struct, frozen=True):
    """The answer to POST /supervisors/{name}/drain."""

    name: str
    message: str = "Supervisor asked to drain"


class Live(Struct, frozen=True):
    """The answer to GET /livez."""

    status: str = "ok"


class Ready(Struct, frozen=True, kw_only=True):
    """The answer to GET /readyz."""

    status: str = "ready"
    warnings: list[str]
    durability: DurabilityView


class ErrorView(Struct, frozen=True):
    """Why an attempt failed."""

    type: str
    message: str
    #: Left out in a list.
    traceback: str | UnsetType | None = UNSET


class StackView(Struct, frozen=True):
    """Where a job was when somebody asked, or why that cannot be told."""

    id: str
    attempt: int
    taken_at: str
    stack: str | None
    no_stack: str | None


class AttemptView(Struct, frozen=True):
    """One failed attempt."""

    attempt: int
    outcome: str
    started_at: str
    ended_at: str
    duration: float
    error: ErrorView | None
    signal: str | None
    exit_code: int | None
    killed_by: KilledBy | None
    worker: int
    supervisor: str
    receipt: Receipt | None
    reason: str | None
    #: In which it hung when it was killed at its deadline, or why that is not known.
    stack: str | None
    no_stack: str | None


class ProgressView(Struct, frozen=True):
    """How far the running attempt says it is, or how far the last one came."""

    fraction: float | None
    message: str
    at: str


class LogItem(Struct, frozen=True):
    """Some output in a row."""

    #: How many bytes the job had printed before it, and with it; how many, just before, are not kept.
    at: int
    next: int
    left_out: int
    read_at: str
    attempt: int
    text: str


class LogAnswer(Struct, frozen=True):
    """The answer to GET /jobs/{job_id}/log as JSON."""

    items: list[LogItem]


class JobView(Struct, frozen=True, kw_only=True):
    """A job in an answer; what is absent is null. A list leaves out what may be large."""

    id: str
    #: Null where the record in Redis is damaged, like the queue, the priority and the first two times.
    type: str | None
    queue: str | None
    priority: int | None
    status: str
    cancel_requested_at: str | None
    cancelled_by: str | None
    cancel_reason: str | None
    tags: list[str]
    payload: Raw | UnsetType | None = UNSET
    result: Raw | UnsetType | None = UNSET
    progress: ProgressView | None
    log_bytes: int
    attempt: int
    failures: int
    crashes: int
    max_attempts: int
    max_crashes: int
    timeout: float | None
    memory_limit_mb: int | None
    created_at: str | None
    run_at: str | None
    expires_at: str | None
    started_at: str | None
    ended_at: str | None
    wait_seconds: float | None
    run_seconds: float | None
    supervisor: str | None
    worker: int | None
    reason: str | None
    error: ErrorView | None
    receipt: Receipt | None
    trace_id: str | None
    #: As of the last time that somebody asked for it while the present, or last, attempt ran.
    stack: StackView | UnsetType | None = UNSET
    callback: CallbackView | UnsetType | None = UNSET
    attempts: list[AttemptView] | UnsetType = UNSET


class JobsAnswer(Struct, frozen=True):
    """The answer to GET /jobs."""

    items: list[JobView]
    #: What leads to the next page; null: this was the last.
    next_cursor: str | None
