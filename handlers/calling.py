"""How a handler is called: by the worker and by the testing helper alike."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from jobworker.handlers.context import Job
from jobworker.handlers.registry import Handler

RunAsync = Callable[[Coroutine[Any, Any, Any]], Any]


def call(handler: Handler, value: Any, job: Job, run_async: RunAsync = asyncio.run) -> Any:
    """Call the handler with what it asked for; `run_async` drives the coroutine if it is an `async def`."""
    arguments: tuple[Any, ...] = (value,) if handler.takes_payload else ()
    if handler.wants_job:
        arguments += (job,)
    result = handler.function(*arguments)
    # Asked of the result, not of the function: a decorator may hide an `async def` behind a plain function.
    return run_async(result) if inspect.iscoroutine(result) else result
