"""What passes between a supervisor and Redis in an exchange."""

from typing import Any, Self

import msgspec
from msgspec import Struct

from jobworker.store.backoff import Backoff
from jobworker.store.job import AttemptDetail, ErrorInfo, NewJob, Note, Receipt
from jobworker.store.report import LogChunk, Progress, chunk_arguments, chunks_bytes, progress_argument
from jobworker.store.request import Request
from jobworker.store.scripts import Argument
from jobworker.store.states import Outcome
from jobworker.store.trace import trace_id_of


class Attempted(Struct, frozen=True):
    """Names one attempt: the job and the token under which it is held."""

    id: str
    token: int


class Cancel(Struct, frozen=True):
    """An attempt that a client wants killed."""

    attempted: Attempted
    note: Note = Note()

    @classmethod
    def decode(cls, flat: list[bytes]) -> list[Self]:
        """Read `id, token and note, id, …`."""
        return [cls._decode_one(job_id, value) for job_id, value in zip(flat[::2], flat[1::2], strict=True)]

    @classmethod
    def _decode_one(cls, job_id: bytes, value: bytes) -> Self:
        # Without a note it was written by a version before this one.
        token, _, note = value.partition(b" ")
        return cls(Attempted(job_id.decode(), int(token)), msgspec.json.decode(note or b"{}", type=Note))


class Claim(Struct, frozen=True):
    """A job claimed for a worker. None means that neither request nor declaration was known at enqueue."""

    id: str
    token: int
    type: str
    queue: str
    payload: bytes
    attempt: int
    timeout_ms: int | None
    max_attempts: int | None
    max_crashes: int | None
    failures: int
    backoff: Backoff | None
    created_ms: int
    worker: int
    memory_limit_mb: int | None = None
    #: As in NewJob.
    trace: str = ""
    tags: tuple[str, ...] = ()

    @property
    def attempted(self) -> Attempted:
        """The attempt that it begins."""
        return Attempted(self.id, self.token)

    @property
    def logged(self) -> dict[str, str]:
        """What every line of a log says of it, besides its id."""
        trace_id = trace_id_of(self.trace)
        return {} if trace_id is None else {"trace_id": trace_id}

    @classmethod
    def decode(cls, row: list[Any]) -> Self:
        """Read a row as `lua/includes/claim.lua` lists it (claimed_row)."""
        (job_id, token, failures, attempt, worker, kind, queue, payload, *limits, backoff, created_ms, trace, tags) = (
            row
        )
        timeout_ms, max_attempts, max_crashes, memory_limit_mb = map(_maybe, limits)
        return cls(
            id=job_id.decode(),
            token=int(token),
            type=kind.decode(),
            queue=queue.decode(),
            payload=payload,
            attempt=int(attempt),
            timeout_ms=timeout_ms,
            max_attempts=max_attempts,
            max_crashes=max_crashes,
            failures=int(failures),
            backoff=None if backoff is None else msgspec.json.decode(backoff, type=Backoff),
            created_ms=int(created_ms),
            worker=int(worker),
            memory_limit_mb=memory_limit_mb,
            trace="" if trace is None else trace.decode(),
            tags=() if tags is None else tuple(tags.decode().split()),
        )


def _maybe(value: bytes | None) -> int | None:
    return None if value is None else int(value)


class Unreadable(Struct, frozen=True):
    """A claimed job whose record is damaged: nobody can run it."""

    attempted: Attempted
    why: str


def decode_claim(row: list[Any]) -> Claim | Unreadable:
    """Read a row; what stands in it may have been written by somebody else."""
    try:
        return Claim.decode(row)
    except (ValueError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        return Unreadable(Attempted(row[0].decode(), int(row[1])), str(error))


class Settle(Struct, frozen=True):
    """The end of an attempt, as the supervisor judges it."""

    id: str
    token: int
    outcome: Outcome
    max_attempts: int
    max_crashes: int
    #: True: no further attempt, whatever the budgets say.
    final: bool = False
    delay_ms: int = 0
    reason: str = ""
    error: ErrorInfo | None = None
    result: bytes = b""
    receipt: Receipt | None = None
    #: None: nothing to keep among the failed attempts.
    detail: AttemptDetail | None = None
    #: The last one, unless a report has brought it.
    progress: Progress | None = None
    #: Output of which it is not known that a report has brought it.
    log: tuple[LogChunk, ...] = ()
    #: Of the job, for the sums; Redis knows it. "": nobody could read it.
    type: str = ""
    #: Jobs to store if it succeeds.
    follow_ups: tuple[NewJob, ...] = ()

    def arguments(self) -> list[Argument]:
        """Return the arguments that `lua/exchange.lua` takes: fifteen, three a chunk of output, follow-ups."""
        head: list[Argument] = [self.id, self.token, self.outcome.value, int(self.final), self.delay_ms, self.reason]
        error, detail = (b"" if value is None else msgspec.json.encode(value) for value in (self.error, self.detail))
        receipt = b"" if self.receipt is None else self.receipt.encode()
        budgets = [self.max_attempts, self.max_crashes]
        jobs = [argument for job in self.follow_ups for argument in job.arguments()]
        told = [progress_argument(self.progress), *chunk_arguments(self.log)]
        said = [error, self.result, receipt, detail, *budgets, *told]
        return [*head, *said, len(self.follow_ups), *jobs]

    @property
    def attempted(self) -> Attempted:
        """The attempt that ended."""
        return Attempted(self.id, self.token)

    @property
    def size_bytes(self) -> int:
        """How much it adds to a call, roughly: what is not bounded elsewhere."""
        traceback = len(self.error.traceback or "") if self.error else 0
        stack = len(self.detail.stack or "") if self.detail else 0
        told = 2 * len(self.progress.message) if self.progress else 0
        follow_ups = sum(job.size_bytes for job in self.follow_ups)
        return len(self.result) + 2 * traceback + stack + told + chunks_bytes(self.log) + follow_ups + 200


class Wanted(Struct, frozen=True):
    """A job wanted for an idle worker."""

    worker: int
    prefers: str = ""


class ExchangeAnswer(Struct, frozen=True):
    """What an exchange did: one word per settle (a state, `stale` or `missing`), the jobs claimed."""

    next_due_ms: int | None
    words: list[str]
    claims: list[Claim]
    unreadable: list[Unreadable] = []


class BeatAnswer(Struct, frozen=True):
    """What a beat found."""

    lease_ms: int
    #: Size of our running index.
    running: int
    #: When there may be something to reap; None: nobody else is there.
    reap_in_ms: int | None
    reaped: int
    cancels: list[Cancel]
    requests: list[Request] = []
    #: How many other supervisors hold a lease.
    others: int = 0
    #: When a schedule is due; None: none is.
    fire_in_ms: int | None = None


def decode_attempts(flat: list[bytes]) -> list[Attempted]:
    """Read `id, token, id, token, …`."""
    return [Attempted(job_id.decode(), int(token)) for job_id, token in zip(flat[::2], flat[1::2], strict=True)]
