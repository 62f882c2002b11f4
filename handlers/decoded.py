"""A type's JSON Schema, allowing all that msgspec reads into it: by it nothing is refused that would run."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

#: Values that are data, whatever they look like.
_DATA: Final = frozenset({"const", "enum", "default", "examples"})


def as_decoded(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema, corrected where msgspec reads more than it says."""
    told_apart = frozenset(_told_apart(schema))
    return cast("dict[str, Any]", _corrected(schema, told_apart))


def _told_apart(node: Any) -> Iterator[str]:
    """Yield a reference to each structure that only its tag tells from others."""
    if isinstance(node, dict):
        known = cast("dict[str, Any]", node)
        discriminator: Any = known.get("discriminator")
        if isinstance(discriminator, dict):
            yield from cast("dict[str, Any]", discriminator).get("mapping", {}).values()
    for part in _parts(node):
        yield from _told_apart(part)


def _parts(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(cast("dict[str, Any]", node).values())
    if isinstance(node, list):
        return list(cast("Sequence[Any]", node))
    return []


def _corrected(node: Any, told_apart: frozenset[str], reference: str = "#") -> Any:
    if isinstance(node, list):
        return [_corrected(item, told_apart, reference) for item in cast("Sequence[Any]", node)]
    if not isinstance(node, dict):
        return node
    known = cast("dict[str, Any]", node)
    corrected = {
        key: value if key in _DATA else _corrected(value, told_apart, f"{reference}/{key}")
        for key, value in known.items()
    }
    if reference not in told_apart:
        _allow_no_tag(corrected)
    _allow_as_read(corrected)
    return corrected


def _allow_no_tag(schema: dict[str, Any]) -> None:
    """A structure that need not be told from others is read without its tag, too."""
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(required, list) and isinstance(properties, dict):
        fields = cast("dict[str, Any]", properties)
        schema["required"] = [name for name in cast("list[str]", required) if not _is_tag(fields.get(name))]


def _is_tag(field: Any) -> bool:
    if not isinstance(field, dict):
        return False
    known = cast("dict[str, Any]", field)
    return list(known) == ["enum"] and len(known["enum"]) == 1


def _allow_as_read(schema: dict[str, Any]) -> None:
    if schema.get("type") == "string" and schema.get("format") == "decimal":
        schema["type"] = ["string", "number"]
    if schema.get("type") == "array":
        # Into a set: what comes twice is in it once.
        schema.pop("uniqueItems", None)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and pattern.endswith(r"\Z"):
        # JSON Schema's patterns are ECMA-262's, whose `$` is the very end.
        schema["pattern"] = pattern[:-2] + "$"
