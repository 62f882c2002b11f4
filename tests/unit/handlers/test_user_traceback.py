import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jobworker.handlers import handler
from jobworker.handlers.calling import call
from jobworker.handlers.registry import Registry
from jobworker.handlers.user_traceback import describe, has_user_frames, user_traceback
from tests.unit.handlers.test_calling import JOB


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_traceback_begins_in_the_handler(registry: Registry) -> None:
    text = user_traceback(_error_of(registry, _divide))

    lines = text.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "in _divide" in lines[1]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_the_event_loops_frames_are_left_out_before_an_async_handlers(registry: Registry) -> None:
    text = user_traceback(_error_of(registry, _divide_later))

    assert "in _divide_later" in text.splitlines()[1]
    assert "base_events" not in text


def test_the_cause_of_an_error_is_told(registry: Registry) -> None:
    text = user_traceback(_error_of(registry, _explain))

    assert "ZeroDivisionError: division by zero" in text
    assert "The above exception was the direct cause" in text
    assert text.rstrip().endswith("LookupError: no share")


def test_an_error_of_the_machinery_alone_has_no_frames_of_the_author(registry: Registry) -> None:
    assert has_user_frames(_error_of(registry, _divide))
    with pytest.raises(AttributeError) as caught:
        call(None, None, JOB)  # type: ignore[arg-type]  # a bug of the machinery's

    error = caught.value.with_traceback(caught.value.__traceback__ and caught.value.__traceback__.tb_next)
    assert not has_user_frames(error)
    assert user_traceback(error) == "AttributeError: 'NoneType' object has no attribute 'takes_payload'\n"


def test_an_error_is_described_on_one_line() -> None:
    assert describe(ValueError("a\n  b")) == "ValueError: a b"
    assert describe(KeyError()) == "KeyError"
    assert describe(Unreadable()) == "Unreadable: <its message cannot be read>"


def _divide() -> float:
    return 1 / 0


async def _divide_later() -> float:
    await asyncio.sleep(0)
    return 1 / 0


def _explain() -> None:
    try:
        _divide()
    except ZeroDivisionError as error:
        raise LookupError("no share") from error


def _error_of(registry: Registry, function: Callable[..., Any]) -> Exception:
    """What `call` lets through, without the frame of this test's."""
    handler("failing")(function)
    known = registry.get("failing")
    assert known is not None
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever the function raises
        call(known, None, JOB)
    error: Exception = caught.value
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)
