from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from jobworker.handlers.declaration import BackoffDeclaration, Declaration
from jobworker.handlers.errors import InvalidDeclaration


def test_what_is_left_out_is_left_to_the_settings() -> None:
    declaration = Declaration.read({"timeout": UNSET, "queue": None})

    assert declaration == Declaration()
    assert msgspec.to_builtins(declaration) == {}


def test_a_timeout_of_none_means_no_deadline_and_is_told() -> None:
    assert msgspec.to_builtins(Declaration.read({"timeout": None})) == {"timeout": None}


def test_a_whole_number_is_a_timeout_too() -> None:
    assert Declaration.read({"timeout": 30}).timeout == 30.0


def test_a_backoff_may_be_any_mapping_and_leave_parts_out() -> None:
    declaration = Declaration.read({"backoff": MappingProxyType({"base": 0.5, "jitter": False})})

    assert declaration.backoff == BackoffDeclaration(base=0.5, factor=2.0, max=3600.0, jitter=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "is declared wrongly: Expected `float` >= 0.1, in its `timeout`"),
        ({"timeout": float("nan")}, "is declared wrongly: Expected `float` >= 0.1, in its `timeout`"),
        ({"timeout": 86_401}, "is declared wrongly: Expected `float` <= 86400.0, in its `timeout`"),
        ({"timeout": "30"}, "is declared wrongly: Expected `float | null`, got `str`, in its `timeout`"),
        ({"priority": 11}, "is declared wrongly: Expected `int` <= 10, in its `priority`"),
        ({"priority": True}, "is declared wrongly: Expected `int | null`, got `bool`, in its `priority`"),
        ({"max_attempts": 0}, "is declared wrongly: Expected `int` >= 1, in its `max_attempts`"),
        ({"max_attempts": 2.5}, "is declared wrongly: Expected `int | null`, got `float`, in its `max_attempts`"),
        ({"max_crashes": 1001}, "is declared wrongly: Expected `int` <= 1000, in its `max_crashes`"),
        ({"backoff": {"factor": 0.5}}, "is declared wrongly: Expected `float` >= 1.0, in its `backoff.factor`"),
        ({"backoff": {"bas": 1}}, "is declared wrongly: Object contains unknown field `bas`, in its `backoff`"),
        ({"backoff": 3}, "is declared wrongly: Expected `object | null`, got `int`, in its `backoff`"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_the_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        Declaration.read(options)

    assert str(caught.value) == message


def test_a_queue_name_with_a_slash_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="in its `queue`"):
        Declaration.read({"queue": "a/b"})


@pytest.mark.parametrize("timeout", [None, 5.5, UNSET])
def test_a_soft_timeout_stands_beside_a_longer_timeout_or_none(timeout: Any) -> None:
    assert Declaration.read({"timeout": timeout, "soft_timeout": 5}).soft_timeout == 5.0


@pytest.mark.parametrize("timeout", [5, 4.9])
def test_a_soft_timeout_that_would_come_too_late_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidDeclaration, match=r"soft_timeout of 5 s must be shorter than its timeout"):
        Declaration.read({"timeout": timeout, "soft_timeout": 5})


@pytest.mark.parametrize("limit", [0, 1_048_577, 1.5])
def test_a_memory_limit_is_a_whole_number_of_mib(limit: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="memory_limit_mb"):
        Declaration.read({"memory_limit_mb": limit})
