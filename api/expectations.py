"""What a field of a body allows, in a sentence, read from its type: no range is written down twice."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final, cast

import msgspec
from msgspec import Struct, inspect

from jobworker.store.limits import NAME_PATTERN, TAG_PATTERN

#: How much of an unknown field's name is repeated.
ECHO_CHARACTERS: Final = 100

_NAME: Final = "a name of 1 to 128 letters, digits, '.', '_' and '-' that begins with a letter or digit"
_TAG: Final = "a text of 1 to 64 letters, digits, '.', '_', '=' and '-' that begins with a letter or digit"
_PATTERNS: Final = {NAME_PATTERN: _NAME, TAG_PATTERN: _TAG}
_INSTANT: Final = "a time with its offset from UTC (RFC 3339), for example 2026-01-31T09:00:00Z"
_PATH: Final = re.compile(r" - at `\$\.([a-z_.]+)(?:\[(\d+)\])?`\Z")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$\.([a-z_]+)`)?", re.DOTALL)


def explain(error: msgspec.ValidationError, body: type[Struct]) -> tuple[str, str]:
    """Return the JSON pointer to what msgspec found wrong, and the sentence that says what is allowed there.

    Its message is all it gives: `Expected …, got … - at `$.backoff.base``.
    """
    message = str(error)
    if match := _UNKNOWN.fullmatch(message):
        return _explain_unknown(match[1], match[2], body)
    match = _PATH.search(message)
    path = match[1].split(".") if match else []
    place = [match[2]] if match and match[2] else []
    return _pointer([*path, *place]), f"{'.'.join(path) or 'the body'} must be {_phrase(_field_type(body, path))}"


def _explain_unknown(name: str, parent: str | None, body: type[Struct]) -> tuple[str, str]:
    # The client chose the name: it may look like the end of msgspec's message.
    inner = None if parent is None else _fields(_struct_type(body)).get(parent)
    struct = inner if isinstance(inner, inspect.StructType) else _struct_type(body)
    path = [*([parent] if parent and struct is inner else []), name[:ECHO_CHARACTERS]]
    return _pointer(path), f"{'.'.join(path)} is not a field; allowed: {', '.join(_fields(struct)) or 'none'}"


def _pointer(path: Sequence[str]) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


@cache
def _struct_type(body: type[Struct]) -> inspect.StructType:
    return cast("inspect.StructType", inspect.type_info(body))


def _fields(struct: inspect.StructType) -> dict[str, inspect.Type]:
    return {field.encode_name: field.type for field in struct.fields}


def _field_type(body: type[Struct], path: Sequence[str]) -> inspect.Type:
    found: inspect.Type = _struct_type(body)
    for name in path:
        assert isinstance(found, inspect.StructType)
        found = _fields(found)[name]
    return found


def _phrase(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            schema = cast("dict[str, str]", kind.extra_json_schema)  # pyright: ignore[reportUnknownMemberType] - a bare dict there
            return f"{_phrase(kind.type)} ({schema['description']})" if "description" in schema else _phrase(kind.type)
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case inspect.BoolType():
            return "true or false"
        case inspect.EnumType(cls=members):
            return f"one of {', '.join(str(member) for member in members)}"
        case inspect.DateTimeType():
            return _INSTANT
        case inspect.StrType():
            return _PATTERNS.get(kind.pattern or "", f"a text of at most {kind.max_length} characters")
        case _:
            return _compound_phrase(kind)


def _compound_phrase(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.VarTupleType):
        return f"a list of at most {kind.max_length}, each {_phrase(kind.item_type)}"
    if isinstance(kind, inspect.ListType):
        return f"a list of {kind.min_length} to {kind.max_length}"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    assert isinstance(kind, inspect.StructType)
    names = ", ".join(_fields(kind))
    return f"an object with any of the fields {names}" if names else "an empty object"
