"""The handlers a process knows, by type."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from jobworker.handlers.declaration import Declaration
from jobworker.handlers.document import deeper_than
from jobworker.handlers.errors import InvalidDeclaration, InvalidPayload
from jobworker.handlers.limits import MAX_JSON_DEPTH


@dataclass(frozen=True, slots=True)
class Handler:
    """A declared function, or what runs the jobs of a program or service."""

    type: str
    function: Callable[..., Any]
    declaration: Declaration
    payload_type: Any
    takes_payload: bool
    wants_job: bool
    is_async: bool
    #: First line of the docstring.
    description: str
    #: `file:line` of the function, `file [section."type"]` of a program or service.
    location: str
    decoder: msgspec.json.Decoder[Any] = field(repr=False, compare=False)
    #: The payload's JSON Schema, where it does not follow from `payload_type`.
    schema: dict[str, Any] | None = None
    #: How many levels deep a payload may be.
    max_depth: int = MAX_JSON_DEPTH

    def decode(self, payload: bytes) -> Any:
        """Read the payload into the annotated type; None if the function takes no payload.

        What a type's own `__post_init__` raises beyond ValueError and TypeError passes through.
        """
        if not self.takes_payload:
            return None
        if deeper_than(payload, self.max_depth):
            raise InvalidPayload(f"the payload of {self.type} is nested deeper than {self.max_depth} levels")
        try:
            return self.decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidPayload.misfit(self.type, str(error), payload) from error


class Registry:
    """Owns the handlers of a process; `@handler` declares into the one that is collecting."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def get(self, type: str) -> Handler | None:  # noqa: A002 - the word of the API
        """Return the handler of this type."""
        return self._handlers.get(type)

    def all(self) -> tuple[Handler, ...]:
        """Return all handlers, sorted by type."""
        return tuple(sorted(self._handlers.values(), key=lambda handler: handler.type))

    def add(self, handler: Handler) -> None:
        """Take a handler in; the same function, imported once more, takes its own place."""
        known = self._handlers.get(handler.type)
        if known is not None and not _is_same_function(known, handler):
            raise InvalidDeclaration(f"handler {handler.type} is declared twice: {known.location}, {handler.location}")
        self._handlers[handler.type] = handler

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Let `@handler` declare into this registry meanwhile."""
        token = _collecting.set(self)
        try:
            yield
        finally:
            _collecting.reset(token)


#: Where `@handler` declares unless another registry is collecting.
DEFAULT: Final = Registry()
_collecting: ContextVar[Registry] = ContextVar("collecting", default=DEFAULT)


def collecting_registry() -> Registry:
    """Return the registry that `@handler` declares into at the moment."""
    return _collecting.get()


def _is_same_function(known: Handler, new: Handler) -> bool:
    """Tell a module run once more from a name used twice: in one run, one name stands at two places."""
    old_function, new_function = known.function, new.function
    if (old_function.__module__, old_function.__qualname__) != (new_function.__module__, new_function.__qualname__):
        return False
    return known.location == new.location or old_function.__globals__ is not new_function.__globals__
