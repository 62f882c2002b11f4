"""Every message of the mailbox between a supervisor and one worker.

Changing one is safe at any time: both ends are always the same version, for a worker is a fork of its supervisor.
Payloads and results are opaque bytes here.
"""

import msgspec
from msgspec import Struct

from jobworker.handlers.submission import FollowUp
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.job import ErrorInfo, Receipt
from jobworker.store.states import Outcome


class Assignment(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Supervisor → worker: run this attempt."""

    id: str
    token: int
    type: str
    queue: str
    payload: bytes
    attempt: int
    max_attempts: int
    #: None: no deadline.
    timeout_seconds: float | None
    created_ms: int
    #: Which of the worker's pipes its output goes into.
    pipe: int = 0
    #: None: the handler is not interrupted.
    soft_timeout_seconds: float | None = None
    #: As in NewJob.
    trace: str = ""
    tags: tuple[str, ...] = ()


class FreshPipe(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Supervisor → worker: this comes with the sink that takes the place of one of your pipes'."""

    which: int


class Importing(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Worker → supervisor: I begin to import this."""

    module: str


class Hello(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Worker → supervisor: handlers are imported, I am ready."""

    entries: tuple[HandlerEntry, ...]
    #: Of the handler modules' source: workers of one supervisor must not differ.
    digest: str


class LoadFailure(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Worker → supervisor: the handlers cannot be loaded; I end."""

    message: str
    traceback: str | None


class Progressed(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Worker → supervisor: look at the board, there is a new progress. Not sent for every one."""

    token: int


class Report(Struct, frozen=True, tag_field="kind", tag=True, array_like=True):
    """Worker → supervisor: how the attempt ended."""

    token: int
    outcome: Outcome
    #: No further attempt, whatever the budgets say.
    final: bool = False
    retry_after_seconds: float | None = None
    reason: str = ""
    error: ErrorInfo | None = None
    result: bytes = b""
    receipt: Receipt | None = None
    #: Why this worker takes no further job ("" when it does).
    retiring: str = ""
    #: What it has submitted, to be stored if it succeeds.
    follow_ups: tuple[FollowUp, ...] = ()
    #: Programs that the job left running and the worker has ended.
    ended: tuple[str, ...] = ()
    #: Processes that it had left running may still write into its pipe.
    has_writers: bool = False


Message = Assignment | FreshPipe | Importing | Hello | LoadFailure | Progressed | Report

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode
