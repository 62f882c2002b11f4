import types
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from msgspec import Struct

from jobworker.handlers import HandlerError, handler
from jobworker.handlers.errors import InvalidPayload
from jobworker.handlers.registry import DEFAULT, Handler, Registry


class Size(Struct):
    width: int
    height: int = 600


class Resize(Struct):
    path: str
    size: Size


@dataclass
class Plain:
    path: str


class Typed(TypedDict):
    path: str


def test_a_handler_is_found_by_its_type(registry: Registry) -> None:
    handler("b")(_function)
    handler("a")(_function)

    found = registry.get("b")
    assert found is not None
    assert found.type == "b"
    assert registry.get("c") is None
    assert [known.type for known in registry.all()] == ["a", "b"]


def test_handlers_go_into_the_registry_that_is_collecting() -> None:
    outer, inner = Registry(), Registry()
    with outer.collecting():
        with inner.collecting():
            handler("test_registry.inner")(_function)
        handler("test_registry.outer")(_function)

    assert [known.type for known in inner.all()] == ["test_registry.inner"]
    assert [known.type for known in outer.all()] == ["test_registry.outer"]
    assert DEFAULT.get("test_registry.inner") is None


def test_one_name_for_two_functions_is_refused_with_both_places(registry: Registry) -> None:
    @handler("twice")
    def first() -> None: ...

    with pytest.raises(HandlerError) as caught:

        @handler("twice")
        def second() -> None: ...

    lines = [first.__code__.co_firstlineno, first.__code__.co_firstlineno + 5]
    assert str(caught.value) == f"handler twice is declared twice: {__file__}:{lines[0]}, {__file__}:{lines[1]}"
    assert _get(registry, "twice").function is first


def test_a_function_copied_within_its_module_is_a_second_function(registry: Registry) -> None:
    source = "from jobworker.handlers import handler\n" + "@handler\ndef twice(): ...\n" * 2

    with pytest.raises(HandlerError, match=r"^handler twice is declared twice: copied.py:2, copied.py:4$"):
        _run_module(source, "copied.py")


def test_a_module_run_again_replaces_its_handlers_quietly(registry: Registry) -> None:
    source = "from jobworker.handlers import handler\n@handler\ndef once(): ...\n"
    _run_module(source, "again.py")
    first = _get(registry, "once")

    _run_module("\n" + source, "again.py")

    assert _get(registry, "once") is not first
    assert _get(registry, "once").location == "again.py:3"


@pytest.mark.parametrize(
    ("annotation", "payload", "value"),
    [
        (Resize, b'{"path": "a", "size": {"width": 3}}', Resize("a", Size(3))),
        (Plain, b'{"path": "a"}', Plain("a")),
        (Typed, b'{"path": "a"}', {"path": "a"}),
        (dict, b'{"a": [1]}', {"a": [1]}),
        (list[int], b"[1, 2]", [1, 2]),
        (str, b'"x"', "x"),
        (int, b"3", 3),
        (float, b"3", 3.0),
        (None, b"null", None),
        (Any, b'{"a": [1, null]}', {"a": [1, None]}),
        (object, b"[1]", [1]),
    ],
)
def test_a_payload_is_read_into_the_annotated_type(
    registry: Registry, annotation: Any, payload: bytes, value: Any
) -> None:
    assert _taking(registry, annotation).decode(payload) == value


@pytest.mark.parametrize(
    ("annotation", "payload", "sentence"),
    [
        (Resize, b'{"path": "a", "size": {"width": "3"}}', "Expected `int`, got `str` - at `$.size.width`"),
        (Resize, b'{"path": "a"}', "Object missing required field `size`"),
        (list[int], b"[1, 2.5]", "Expected `int`, got `float` - at `$[1]`"),
        (int, b'"3"', "Expected `int`, got `str`"),
        (None, b"0", "Expected `null`, got `int`"),
        (Any, b"[1", "Input data was truncated"),
        (Any, b"", "Input data was truncated"),
        (Any, b"1e999", "Number out of range"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_with_the_path(
    registry: Registry, annotation: Any, payload: bytes, sentence: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        _taking(registry, annotation).decode(payload)

    assert str(caught.value) == f"the payload does not fit taking: {sentence}"


def test_who_has_given_no_payload_is_told_that_this_counts_as_null(registry: Registry) -> None:
    with pytest.raises(InvalidPayload) as caught:
        _taking(registry, Resize).decode(b"null")

    assert str(caught.value) == (
        "the payload does not fit taking: Expected `object`, got `null` (a request without payload counts as null)"
    )


def test_a_payload_that_is_not_utf8_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidPayload, match="invalid start byte"):
        _taking(registry, Any).decode(b'"\xff"')


@pytest.mark.parametrize("levels", [65, 2_000, 500_000])
def test_a_payload_deeper_than_64_levels_is_refused(registry: Registry, levels: int) -> None:
    with pytest.raises(InvalidPayload, match="the payload of taking is nested deeper than 64 levels"):
        _taking(registry, Any).decode(b"[" * levels + b"]" * levels)


def test_a_payload_of_64_levels_is_read(registry: Registry) -> None:
    assert _taking(registry, Any).decode(b"[" * 64 + b"]" * 64) != []


def test_a_handler_without_a_payload_takes_any_json_and_does_not_read_it(registry: Registry) -> None:
    @handler("taking")
    def taking() -> None: ...

    assert _get(registry, "taking").decode(b'{"a": 1}') is None


def _function() -> None: ...


def _taking(registry: Registry, annotation: Any) -> Handler:
    def taking(payload: Any) -> None: ...

    taking.__annotations__["payload"] = annotation
    handler(taking)
    return _get(registry, "taking")


def _get(registry: Registry, handler_type: str) -> Handler:
    known = registry.get(handler_type)
    assert known is not None
    return known


def _run_module(source: str, file: str) -> None:
    exec(compile(source, file, "exec"), types.ModuleType("module").__dict__)
