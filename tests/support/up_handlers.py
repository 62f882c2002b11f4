"""The handlers of the acceptance tests; workers load this file by its path."""

import asyncio
import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from jobworker.handlers import Fail, Job, Retry, handler


class Numbers(Struct):
    a: int
    b: int = 1


class Mark(Struct):
    file: str
    mark: str


class Gate(Struct):
    """A file that the pid goes to, and a named pipe of which one byte lets one attempt through."""

    started: str
    pipe: str


class Failing(Struct):
    file: str
    times: int
    retry_after: float | None = None


def append(file: str, line: str) -> int:
    """Add a line; return how many there are now."""
    with Path(file).open("a") as lines:
        lines.write(f"{line}\n")
    return len(Path(file).read_text().splitlines())


@handler("sum")
def add(numbers: Numbers) -> int:
    return numbers.a + numbers.b


@handler("sum.async")
async def add_later(numbers: Numbers) -> int:
    await asyncio.sleep(0)
    return numbers.a + numbers.b


@handler
def mark(payload: Mark) -> None:
    append(payload.file, payload.mark)


@handler
def gate(payload: Gate, job: Job) -> dict[str, int]:
    append(payload.started, str(os.getpid()))
    with Path(payload.pipe).open("rb", buffering=0) as pipe:
        pipe.read(1)
    return {"attempt": job.attempt, "pid": os.getpid()}


@handler
def fail_first(payload: Failing) -> int:
    """Fail so many times, then return the number of attempts."""
    attempt = append(payload.file, "tried")
    if attempt > payload.times:
        return attempt
    if payload.retry_after is not None:
        raise Retry(after=payload.retry_after, reason="not yet")
    raise ValueError(f"attempt {attempt} went wrong")


@handler
def give_up() -> None:
    raise Fail("there is no such invoice")


@handler
def leave() -> None:
    raise SystemExit(3)


@handler
def not_json() -> Any:
    return object()
