import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import pytest

from jobworker.handlers import Job, Retry, handler
from jobworker.handlers.calling import call
from jobworker.handlers.registry import Handler, Registry

JOB = Job(
    id="01936f00-0000-7000-8000-000000000000",
    type="called",
    queue="default",
    attempt=2,
    max_attempts=3,
    fencing_token=42,
    created_at=datetime(2026, 11, 24, tzinfo=UTC),
)


def test_a_handler_gets_what_its_signature_asks_for(registry: Registry) -> None:
    def both(payload: int, job: Job) -> list[Any]:
        return [payload, job.attempt]

    def only_job(job: Job) -> Any:
        return job.fencing_token

    assert call(_declare(registry, both), 7, JOB) == [7, 2]
    assert call(_declare(registry, lambda payload: [payload]), 7, JOB) == [7]
    assert call(_declare(registry, only_job), 7, JOB) == 42
    assert call(_declare(registry, lambda: "nothing"), 7, JOB) == "nothing"


def test_an_async_handler_is_driven_by_the_given_runner(registry: Registry) -> None:
    async def asynchronous(payload: int) -> int:
        await asyncio.sleep(0)
        return payload + 1

    seen: list[Coroutine[Any, Any, Any]] = []

    def run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
        seen.append(coroutine)
        return asyncio.run(coroutine)

    assert call(_declare(registry, asynchronous), 7, JOB, run_async) == 8
    assert len(seen) == 1


def test_an_async_handler_behind_a_plain_decorator_is_awaited(registry: Registry) -> None:
    async def asynchronous(payload: int) -> int:
        return payload + 1

    @wraps(asynchronous)
    def plain(*args: Any) -> Any:
        return asynchronous(*args)

    assert call(_declare(registry, plain), 7, JOB) == 8


def test_what_a_handler_raises_passes_through(registry: Registry) -> None:
    def stubborn() -> None:
        raise Retry(after=3)

    with pytest.raises(Retry):
        call(_declare(registry, stubborn), None, JOB)


def _declare(registry: Registry, function: Callable[..., Any]) -> Handler:
    name = f"called{len(registry.all())}"
    handler(name)(function)
    known = registry.get(name)
    assert known is not None
    return known
