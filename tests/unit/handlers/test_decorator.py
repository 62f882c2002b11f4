import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from jobworker.handlers import HandlerError, handler
from jobworker.handlers.declaration import BackoffDeclaration, Declaration
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.registry import Handler, Registry


def test_a_handler_has_the_given_name(registry: Registry) -> None:
    @handler("image.resize")
    def resize() -> None: ...

    assert _only(registry).type == "image.resize"


@pytest.mark.parametrize("decorator", [handler, handler(), handler(None)])
def test_without_a_name_the_functions_name_counts(
    registry: Registry, decorator: Callable[[Callable[[], None]], Callable[[], None]]
) -> None:
    @decorator
    def resize() -> None: ...

    assert _only(registry).type == "resize"


def test_the_name_may_be_given_as_a_keyword(registry: Registry) -> None:
    handler(type="image.resize", timeout=3)(_documented)

    assert _only(registry).type == "image.resize"


def test_the_function_stays_as_it_is(registry: Registry) -> None:
    assert handler("documented")(_documented) is _documented
    assert _only(registry).function is _documented


def test_all_options_reach_the_declaration(registry: Registry) -> None:
    backoff = {"base": 2.0, "factor": 3.0, "max": 60.0, "jitter": False}
    handler("x", timeout=30, max_attempts=5, max_crashes=2, queue="images", priority=7, backoff=backoff)(_documented)

    assert _only(registry).declaration == Declaration(
        "images", 7, 30.0, 5, 2, BackoffDeclaration(2.0, 3.0, 60.0, jitter=False)
    )


def test_no_timeout_and_a_timeout_of_none_are_different_declarations(registry: Registry) -> None:
    handler("a")(_documented)
    handler("b", timeout=None)(_documented)

    assert [known.declaration.timeout for known in registry.all()] == [UNSET, None]


def test_the_handler_knows_its_place_and_its_description(registry: Registry) -> None:
    handler("documented")(_documented)

    line = inspect.getsourcelines(_documented)[1]
    assert _only(registry).location == f"{__file__}:{line}"
    assert _only(registry).description == "Do what is documented."


def test_a_function_without_a_docstring_has_an_empty_description(registry: Registry) -> None:
    handler("bare")(lambda payload: payload)

    assert _only(registry).description == ""


def test_an_async_function_is_known_as_such(registry: Registry) -> None:
    @handler("a")
    async def asynchronous() -> None: ...

    @handler("b")
    def plain() -> None: ...

    assert [known.is_async for known in registry.all()] == [True, False]


def test_an_unknown_keyword_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="time_out"):
        handler("x", time_out=3)  # type: ignore[call-overload]  # the point of the test


@pytest.mark.parametrize("name", ["", ".x", "a/b", "a b", "é", "x" * 129, "x\n", 5])
def test_a_name_outside_the_alphabet_is_refused(registry: Registry, name: Any) -> None:
    with pytest.raises(InvalidDeclaration, match=r"has no valid name: 1 to 128 letters, digits"):
        handler(name)(_documented)

    assert registry.all() == ()


def test_a_lambda_needs_a_name(registry: Registry) -> None:
    with pytest.raises(InvalidDeclaration, match=r"handler <lambda> .* has no valid name"):
        handler(lambda payload: payload)


def test_a_refused_handler_is_named_with_its_place(registry: Registry) -> None:
    place = f"{__file__}:{inspect.getsourcelines(_documented)[1]}"
    with pytest.raises(HandlerError) as caught:
        handler("image.resize", timeout=0)(_documented)

    assert str(caught.value) == (
        f"handler image.resize ({place}) is declared wrongly: Expected `float` >= 0.1, in its `timeout`"
    )
    assert registry.all() == ()


def test_a_payload_type_that_json_cannot_fill_is_refused_at_the_declaration(registry: Registry) -> None:
    with pytest.raises(HandlerError) as caught:

        @handler("draw")
        def draw(canvas: list[Registry]) -> None: ...

    assert re.fullmatch(
        r"handler draw \(.*test_decorator.py:\d+\) cannot read its payload from JSON: TypeError: "
        r"jobworker.handlers.registry.Registry is not a type that JSON can be read into",
        str(caught.value),
    )


def test_what_is_no_function_is_refused_with_its_module(registry: Registry) -> None:
    with pytest.raises(HandlerError, match=r"^handler len \(in module builtins\) is not a function"):
        handler(len)


def _documented(payload: Any) -> None:
    """Do what is documented.

    And more.
    """


def _only(registry: Registry) -> Handler:
    (known,) = registry.all()
    return known
