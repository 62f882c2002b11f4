from typing import Any

import pytest

from jobworker.handlers import testing
from jobworker.handlers.builtin import declare_builtins
from jobworker.handlers.errors import InvalidPayload
from jobworker.handlers.registry import Registry
from jobworker.handlers.schema import schema_of


@pytest.mark.parametrize("payload", [None, True, 3, 2.5, "x", [], {}, {"a": [1, {"b": None}]}])
def test_echo_returns_any_payload(payload: Any) -> None:
    assert testing.run("echo", payload) == payload


@pytest.mark.parametrize("payload", [0, 0.001, {"seconds": 0.001}])
def test_sleep_takes_a_number_or_an_object(payload: Any) -> None:
    seconds = payload["seconds"] if isinstance(payload, dict) else payload

    assert testing.run("sleep", payload) == {"slept": seconds}


@pytest.mark.parametrize("payload", [-1, 86_401, None, "1", {}, {"seconds": -1}, {"second": 1}])
def test_sleep_refuses_what_is_no_duration_of_at_most_a_day(payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        testing.run("sleep", payload)


def test_the_builtin_handlers_describe_themselves() -> None:
    registry = Registry()
    declare_builtins(registry)

    assert [(known.type, known.description) for known in registry.all()] == [
        ("echo", "Return the payload."),
        ("sleep", 'Sleep for so many seconds, given as a number or as {"seconds": number}.'),
    ]


def test_the_schema_of_sleep_allows_both_forms() -> None:
    registry = Registry()
    declare_builtins(registry)
    sleep = registry.get("sleep")
    assert sleep is not None

    assert schema_of(sleep)["anyOf"] == [
        {"type": "number", "minimum": 0, "maximum": 86_400},
        {"$ref": "#/$defs/Sleep"},
    ]


def test_declaring_them_twice_is_quiet() -> None:
    registry = Registry()
    declare_builtins(registry)
    before = registry.all()

    declare_builtins(registry)

    assert [known.type for known in registry.all()] == [known.type for known in before]
