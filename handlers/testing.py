"""Run a handler in a test: in process, with no Redis, its payload and result read and written as a worker does."""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from jobworker.handlers.builtin import declare_builtins
from jobworker.handlers.calling import call
from jobworker.handlers.context import Job
from jobworker.handlers.errors import UnknownHandler
from jobworker.handlers.registry import DEFAULT, Handler, Registry
from jobworker.handlers.result import encode_result
from jobworker.handlers.submission import FollowUp


def run(
    type: str,  # noqa: A002 - the word of the API
    payload: Any = None,
    *,
    registry: Registry = DEFAULT,
    queue: str = "default",
    attempt: int = 1,
    max_attempts: int = 3,
    timeout: float | None = None,
    trace: str = "",
    tags: Sequence[str] = (),
    submitted: list[FollowUp] | None = None,
) -> Any:
    """Return the result as a client would read it, or raise what the handler raises.

    `timeout` only sets what `job.seconds_left` counts down: nothing is killed here. `submitted` gets the follow-up jobs
    of a handler that has succeeded. Import the handler's module first. An `async def` handler gets an event loop of its
    own: call this from a plain test, not from a coroutine.
    """
    declare_builtins(registry)
    handler = _find(type, registry)
    job = Job(
        id=str(uuid.uuid4()),
        type=type,
        queue=queue,
        attempt=attempt,
        max_attempts=max_attempts,
        fencing_token=attempt,
        created_at=datetime.now(UTC),
        trace=trace,
        tags=tuple(tags),
        deadline_monotonic=None if timeout is None else time.monotonic() + timeout,
    )
    value = handler.decode(msgspec.json.encode(payload))
    result = encode_result(call(handler, value, job))
    follow_ups = job.submissions.close()
    if submitted is not None:
        submitted += follow_ups
    return msgspec.json.decode(result)


def _find(handler_type: str, registry: Registry) -> Handler:
    handler = registry.get(handler_type)
    if handler is None:
        known = ", ".join(handler.type for handler in registry.all())
        raise UnknownHandler(f"no handler has the type {handler_type}; known are {known}")
    return handler
