from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from jobworker.handlers import HandlerError, handler
from jobworker.handlers.registry import Registry
from jobworker.handlers.schema import payload_schema, schema_of


class Resize(Struct):
    """How to resize."""

    path: str
    width: Annotated[int, Meta(ge=1, description="in pixels")] = 800


class Node(Struct):
    child: "Node | None" = None


class Unfinished(Struct):
    part: "Missing"  # type: ignore[name-defined]  # noqa: F821 - the point of the test


class Broad(Struct):
    choice: Annotated[str, Meta(description="x" * 70_000)]


def test_a_handlers_schema_is_that_of_its_payload(registry: Registry) -> None:
    @handler("resize")
    def resize(image: Resize) -> None: ...

    known = registry.get("resize")
    assert known is not None
    assert schema_of(known) == {
        "$ref": "#/$defs/Resize",
        "$defs": {
            "Resize": {
                "title": "Resize",
                "description": "How to resize.",
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "width": {"type": "integer", "minimum": 1, "description": "in pixels", "default": 800},
                },
                "required": ["path"],
            }
        },
    }


def test_a_handler_without_a_payload_allows_any_json(registry: Registry) -> None:
    @handler("bare")
    def bare() -> None: ...

    known = registry.get("bare")
    assert known is not None
    assert schema_of(known) == {}


@pytest.mark.parametrize(
    ("payload_type", "schema"),
    [
        (Any, {}),
        (object, {"description": "any JSON"}),
        (None, {"type": "null"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
    ],
)
def test_a_plain_type_has_a_plain_schema(payload_type: Any, schema: dict[str, Any]) -> None:
    assert payload_schema(payload_type) == schema


def test_a_recursive_type_refers_to_itself() -> None:
    assert payload_schema(Node)["$ref"] == "#/$defs/Node"


@pytest.mark.parametrize(
    ("payload_type", "sentence"),
    [
        (Registry, "Registry is not a type that JSON can be read into"),
        (dict[str, Registry], "Registry is not a type that JSON can be read into"),
        (Annotated[Registry, Meta(extra_json_schema={"type": "object"})], "Registry is not a type that JSON"),
        (list[int] | set[int], "Type unions may not contain more than one array-like"),
        (Unfinished, "NameError: name 'Missing' is not defined"),
        ("Resize", "Type ''Resize'' is not supported"),
        (Broad, r"has a payload schema of 70\d{3} bytes; 65536 are allowed"),
        (Annotated[Any, Meta(extra_json_schema={"default": {1, 2j}})], "cannot read its payload from JSON"),
    ],
)
def test_a_type_that_makes_no_schema_is_refused(payload_type: Any, sentence: str) -> None:
    with pytest.raises(HandlerError, match=sentence):
        payload_schema(payload_type)


@pytest.mark.parametrize("reference", ["https://example.org/schema.json", "other.json#/a", "//host/x"])
def test_a_reference_to_elsewhere_is_refused(reference: str) -> None:
    nested = {"anyOf": [{"type": "null"}, {"$ref": reference}]}
    with pytest.raises(HandlerError, match=rf"refers to {reference}; only #/\.\.\. is allowed"):
        payload_schema(Annotated[Any, Meta(extra_json_schema=nested)])


def test_a_field_named_ref_is_no_reference() -> None:
    renamed = msgspec.defstruct("Renamed", [("ref", str)], rename={"ref": "$ref"})

    assert payload_schema(renamed)["$defs"]["Renamed"]["properties"] == {"$ref": {"type": "string"}}
