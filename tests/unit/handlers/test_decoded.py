"""What the worker reads is not refused by the schema that it publishes."""

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, json

from jobworker.api.errors import InvalidBody
from jobworker.api.validation import Validators
from jobworker.handlers.schema import payload_schema


class Cat(Struct, tag=True):
    lives: int = 9


class Dog(Struct, tag=True):
    name: str = ""


class Kind(Struct):
    kind: Literal["only"]


ACCEPTED: list[tuple[Any, bytes]] = [
    (Decimal, b"1.5"),
    (Decimal, b'"1.5"'),
    (Cat, b"{}"),
    (Cat, b'{"type": "Cat", "lives": 1}'),
    (Cat | Dog, b'{"type": "Dog"}'),
    (list[Cat], b"[{}]"),
    (int, b"123456789012345678901234567890"),
    (float, b"3"),
    (float, b"123456789012345678901234567890"),
    (set[int], b"[1, 1]"),
    (dict[int, int], b'{"1": 2}'),
    (Annotated[str, Meta(pattern=r"^a\Z")], b'"a"'),
    (Annotated[int, Meta(ge=1)], b"9007199254740993"),
    (Annotated[str, Meta(max_length=1)], '"é"'.encode()),
    (tuple[int, str], b'[1, "a"]'),
    (bytes, b'"YQ=="'),
]
REFUSED: list[tuple[Any, bytes, str]] = [
    (Cat, b'{"lives": "nine"}', "/payload/lives"),
    (Cat | Dog, b"{}", "/payload"),
    (list[int], b'[1, "a"]', "/payload/1"),
    (dict[str, int], b'{"a/b~c": "x"}', "/payload/a~1b~0c"),
    (Annotated[str, Meta(pattern=r"^a\Z")], b'"ab"', "/payload"),
    (Kind, b'{"kind": "other"}', "/payload/kind"),
]


@pytest.mark.parametrize(("payload_type", "payload"), ACCEPTED)
def test_the_door_lets_through_what_the_worker_reads(payload_type: Any, payload: bytes) -> None:
    json.decode(payload, type=payload_type)
    schema = payload_schema(payload_type)
    validators = Validators()
    assert validators.has_sound(schema)
    validators.check(schema, payload)


@pytest.mark.parametrize(("payload_type", "payload", "pointer"), REFUSED)
def test_the_door_says_where_a_payload_does_not_fit(payload_type: Any, payload: bytes, pointer: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        Validators().check(payload_schema(payload_type), payload)
    assert caught.value.pointer == pointer
