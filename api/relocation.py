"""A schema that a handler publishes, moved into a larger document: what it refers to lies elsewhere there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

Json = dict[str, Any]

#: Values that are data, whatever they look like.
_DATA: Final = frozenset({"const", "enum", "default", "examples", "example"})
#: Values that are schemas by a name of the author's.
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
#: What names a place other than by where it stands: to follow it needs all of JSON Schema.
_ODD: Final = frozenset({"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"})
#: Says what a document says for all its schemas, or what its validators take for part of the schema's own promise.
_LEFT_OUT: Final = frozenset({"$schema", "default", "discriminator", "xml", "externalDocs"})


class Immovable(Exception):
    """The schema names places in a way that cannot be moved."""


def relocate(schema: Json, root: str) -> Json:
    """Return the schema as it stands at `root`, for example `#/components/schemas/x`. Raises Immovable."""

    def move(reference: str) -> str:
        if reference != "#" and not reference.startswith("#/"):
            raise Immovable(reference)
        return root + reference[1:]

    return cast("Json", _moved(schema, move))


def _moved(schema: Any, move: Callable[[str], str]) -> Any:
    if isinstance(schema, list):
        return [_moved(item, move) for item in cast("Sequence[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    known = cast("Json", schema)
    if odd := _ODD & known.keys():
        raise Immovable(", ".join(sorted(odd)))
    return {key: _moved_value(key, value, move) for key, value in known.items() if key not in _LEFT_OUT}


def _moved_value(key: str, value: Any, move: Callable[[str], str]) -> Any:
    if key in _DATA:
        return value
    if key == "$ref" and isinstance(value, str):
        return move(value)
    if key in _NAMED and isinstance(value, Mapping):
        return {name: _moved(part, move) for name, part in cast("Json", value).items()}
    return _moved(value, move)
