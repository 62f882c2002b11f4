"""What each responder says of itself: who may call it, what it takes, what it answers.

One source for three: keys are checked against the scope, `/openapi.json` and docs/http-api.md are made of the rest.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from jobworker.api.scopes import Scope

_ATTRIBUTE: Final = "operation"

Responder = TypeVar("Responder", bound=Callable[..., None])


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path."""

    summary: str
    #: None: open to everybody.
    scope: Scope | None
    #: The type of its JSON body, if it takes one.
    body: Any = None
    #: The type of the parameters in its address, if it takes any.
    query: Any = None
    #: The request headers that mean something here.
    headers: tuple[str, ...] = ()
    #: What is answered when it is done: status -> type of the JSON body, None: no body, a str: another media type,
    #: a tuple: any of these, as the client asks.
    answers: Mapping[int, Any]
    #: Refusals of its own, besides those that every operation has.
    errors: tuple[int, ...] = ()


def operation(
    summary: str,
    scope: Scope | None,
    answers: Mapping[int, Any],
    *,
    body: Any = None,
    query: Any = None,
    headers: tuple[str, ...] = (),
    errors: tuple[int, ...] = (),
) -> Callable[[Responder], Responder]:
    """Describe the responder beneath; its docstring says more."""
    described = Operation(
        summary=summary, scope=scope, body=body, query=query, headers=headers, answers=answers, errors=errors
    )

    def describe(responder: Responder) -> Responder:
        setattr(responder, _ATTRIBUTE, described)
        return responder

    return describe


def operation_of(resource: object, method: str) -> Operation | None:
    """Return what a resource says of `GET`, `POST` and so on; None: it has no such responder, or says nothing."""
    found = getattr(getattr(resource, f"on_{method.lower()}", None), _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else None
