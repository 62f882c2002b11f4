"""The JSON Schema of a handler's payload: the API checks payloads against it and documents it."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from jobworker.handlers.decoded import as_decoded
from jobworker.handlers.document import Json
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.limits import MAX_SCHEMA_BYTES
from jobworker.handlers.registry import Handler

_REFERENCES: Final = ("$ref", "$dynamicRef")


def schema_of(handler: Handler) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the handler's payload; `{}` allows any JSON."""
    return payload_schema(handler.payload_type) if handler.schema is None else handler.schema


def payload_schema(payload_type: Any) -> dict[str, Any]:
    """Return a type's JSON Schema, or say why it cannot be a payload's."""
    try:
        schema = as_decoded(msgspec.json.schema(payload_type, schema_hook=_custom_schema))
        require_publishable(schema)
    except InvalidDeclaration:
        raise
    except Exception as error:  # a type of the author's: its annotations and metadata may raise anything
        raise InvalidDeclaration(f"cannot read its payload from JSON: {type(error).__name__}: {error}") from error
    return schema


def require_publishable(schema: dict[str, Any]) -> None:
    """Raise InvalidDeclaration for a schema that an API could not compile, or not without asking elsewhere."""
    size_bytes = len(msgspec.json.encode(schema))
    if size_bytes > MAX_SCHEMA_BYTES:
        raise InvalidDeclaration(f"has a payload schema of {size_bytes} bytes; {MAX_SCHEMA_BYTES} are allowed")
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise InvalidDeclaration(f"has a payload schema that refers to {reference}; only #/... is allowed")


def _custom_schema(custom_type: type) -> dict[str, Any]:
    if custom_type is object:
        return {"description": "any JSON"}
    raise TypeError(f"{custom_type.__module__}.{custom_type.__qualname__} is not a type that JSON can be read into")


def _references(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in _REFERENCES and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
