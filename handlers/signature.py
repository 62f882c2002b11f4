"""How a function wants to be called, read from its signature once, when it is declared."""

import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from types import SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from jobworker.handlers.context import Job
from jobworker.handlers.errors import InvalidDeclaration

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Signature(Struct, frozen=True):
    """What a function takes."""

    payload_type: Any = Any
    takes_payload: bool = False
    wants_job: bool = False


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read who takes what: first the payload, second the job; all others need defaults.

    A first parameter annotated `Job` makes a handler without a payload.
    """
    _refuse_what_cannot_be_called(function)
    parameters = list(inspect.signature(function).parameters.values())
    _refuse_method(function, parameters)
    named = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    if not named and any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters):
        raise InvalidDeclaration("takes *args only: name its payload, or use functools.wraps in its decorator")
    hints = _resolve(function, named[:2])
    takes_payload = bool(named) and not _is_job(hints[0])
    wants_job = _wants_job(named, hints) if takes_payload else bool(named)
    _refuse_unfilled(parameters, named[: takes_payload + wants_job])
    return Signature(hints[0] if takes_payload else Any, takes_payload, wants_job)


def _refuse_what_cannot_be_called(function: Callable[..., Any]) -> None:
    if not inspect.isfunction(function):
        raise InvalidDeclaration(f"is not a function but a {type(function).__name__}: wrap it in a function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidDeclaration("is a generator: a handler returns its result")


def _refuse_method(function: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    parent = function.__qualname__.rpartition(".")[0]
    in_class = parent != "" and not parent.endswith("<locals>")
    if in_class and parameters and parameters[0].name in ("self", "cls"):
        raise InvalidDeclaration("is a method: a handler is a function outside of classes")


def _resolve(function: Callable[..., Any], parameters: Sequence[Parameter]) -> list[Any]:
    """Return the parameters' types. The return annotation is left alone: it may name what only checkers import."""
    written = {
        parameter.name: Any if parameter.annotation is Parameter.empty else parameter.annotation
        for parameter in parameters
    }
    try:
        hints = get_type_hints(
            SimpleNamespace(__annotations__=written),
            globalns=inspect.unwrap(function).__globals__,
            include_extras=True,
        )
    except Exception as error:  # an annotation is an expression of the author's: it may raise anything
        raise InvalidDeclaration(f"has an annotation that does not resolve: {type(error).__name__}: {error}") from error
    return [hints[name] for name in written]


def _is_job(hint: Any) -> bool:
    return hint is Job or (get_origin(hint) in (Union, UnionType) and Job in get_args(hint))


def _wants_job(named: Sequence[Parameter], hints: Sequence[Any]) -> bool:
    """Tell whether the second parameter is the job: annotated so, or not annotated."""
    if len(named) < 2:
        return False
    return _is_job(hints[1]) or named[1].annotation is Parameter.empty


def _refuse_unfilled(parameters: Sequence[Parameter], filled: Sequence[Parameter]) -> None:
    variable = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    for parameter in parameters:
        if parameter not in filled and parameter.default is Parameter.empty and parameter.kind not in variable:
            raise InvalidDeclaration(
                f"has a parameter `{parameter.name}` that nothing fills: a handler takes its payload and, second, a Job"
            )
