"""`@handler`: a function becomes a handler; the function itself stays as it is."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import msgspec
from msgspec import UNSET, UnsetType

from jobworker.handlers.declaration import Declaration, require_type
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.limits import Leftovers
from jobworker.handlers.registry import Handler, collecting_registry
from jobworker.handlers.schema import payload_schema
from jobworker.handlers.signature import read_signature

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def handler(type: Function, /) -> Function: ...
@overload
def handler(
    type: str | None = None,
    *,
    timeout: float | UnsetType | None = UNSET,
    max_attempts: int | None = None,
    max_crashes: int | None = None,
    queue: str | None = None,
    priority: int | None = None,
    backoff: Mapping[str, Any] | None = None,
    leftovers: Leftovers | None = None,
    memory_limit_mb: int | None = None,
    soft_timeout: float | None = None,
    exclusive: bool | None = None,
) -> Callable[[Function], Function]: ...
def handler(
    type: Any = None,  # noqa: A002 - the word of the API: a job's type is its handler's name
    *,
    timeout: float | UnsetType | None = UNSET,
    max_attempts: int | None = None,
    max_crashes: int | None = None,
    queue: str | None = None,
    priority: int | None = None,
    backoff: Mapping[str, Any] | None = None,
    leftovers: Leftovers | None = None,
    memory_limit_mb: int | None = None,
    soft_timeout: float | None = None,
    exclusive: bool | None = None,
) -> Any:
    """Declare a function as the handler of a type: `@handler("image.resize", timeout=30)`, or plainly `@handler`.

    Without a name the type is the function's name. What is left out comes from the settings, or from the
    request of a job, which goes before the declaration. `timeout=None` means no deadline.
    """
    options = {
        "timeout": timeout,
        "max_attempts": max_attempts,
        "max_crashes": max_crashes,
        "queue": queue,
        "priority": priority,
        "backoff": backoff,
        "leftovers": leftovers,
        "memory_limit_mb": memory_limit_mb,
        "soft_timeout": soft_timeout,
        "exclusive": exclusive,
    }
    if callable(type):
        return _register(type, None, options)

    def register(function: Function) -> Function:
        return _register(function, type, options)

    return register


def _register(function: Function, name: str | None, options: Mapping[str, Any]) -> Function:
    collecting_registry().add(_declare(function, name, options))
    return function


def _declare(function: Callable[..., Any], name: str | None, options: Mapping[str, Any]) -> Handler:
    handler_type = getattr(function, "__name__", repr(function)) if name is None else name
    location = _location(function)
    try:
        return _build(function, handler_type, location, options)
    except InvalidDeclaration as error:
        # One sentence that names the culprit, whichever check refused it.
        raise InvalidDeclaration(f"handler {handler_type} ({location}) {error}") from error.__cause__


def _build(function: Callable[..., Any], handler_type: Any, location: str, options: Mapping[str, Any]) -> Handler:
    require_type(handler_type)
    signature = read_signature(function)
    payload_schema(signature.payload_type)
    return Handler(
        type=handler_type,
        function=function,
        declaration=Declaration.read(options),
        payload_type=signature.payload_type,
        takes_payload=signature.takes_payload,
        wants_job=signature.wants_job,
        is_async=inspect.iscoroutinefunction(function),
        description=(inspect.getdoc(function) or "").partition("\n")[0],
        location=location,
        decoder=msgspec.json.Decoder(signature.payload_type),
    )


def _location(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return f"in module {getattr(function, '__module__', '?')}"
    return f"{code.co_filename}:{code.co_firstlineno}"
