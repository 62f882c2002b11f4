"""Schemas that handlers publish, at the door."""

from typing import Any

import pytest

from jobworker.api.errors import InvalidBody
from jobworker.api.validation import DETAIL_CHARACTERS, Validators

UNUSABLE: list[dict[str, Any]] = [
    {"type": 5},
    {"$ref": "http://example.invalid/schema"},
    {"$ref": "file:///etc/passwd"},
    {"$schema": "http://example.invalid/schema"},
    {"$ref": "#/$defs/missing"},
    {"pattern": "("},
]


@pytest.mark.parametrize("schema", UNUSABLE)
def test_a_schema_that_cannot_be_used_refuses_nothing_and_fetches_nothing(schema: dict[str, Any]) -> None:
    validators = Validators()
    assert not validators.has_sound(schema)
    validators.check(schema, b'"anything"')


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}])
def test_a_schema_that_is_its_own_definition_ends(schema: dict[str, Any]) -> None:
    Validators().check(schema, b"[1]")


def test_no_more_schemas_are_kept_than_allowed() -> None:
    validators = Validators(keep=2)
    for limit in range(5):
        validators.check({"maximum": limit}, b"0")
    assert len(validators._compiled) == 2
    with pytest.raises(InvalidBody):
        validators.check({"maximum": 0}, b"1")


def test_a_refusal_does_not_repeat_a_payload_without_end() -> None:
    with pytest.raises(InvalidBody) as caught:
        Validators().check({"type": "integer"}, b'"' + b"x" * 10_000 + b'"')
    assert len(str(caught.value)) <= DETAIL_CHARACTERS
