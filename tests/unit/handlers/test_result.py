import datetime
import json
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from jobworker.handlers.document import Json
from jobworker.handlers.errors import BadResult
from jobworker.handlers.limits import MAX_RESULT_BYTES
from jobworker.handlers.result import encode_result

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Made(Struct):
    path: str
    share: float | None = None


@dataclass
class Plain:
    shares: tuple[float, ...]


class Pair(NamedTuple):
    left: float
    right: None = None


class Colour(Enum):
    RED = "red"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@given(value=JSON)
def test_any_json_comes_back_as_it_was(value: Json) -> None:
    assert json.loads(encode_result(value)) == value


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, b"null"),
        (Made("a"), b'{"path":"a","share":null}'),
        (Plain((0.5, 1.0)), b'{"shares":[0.5,1.0]}'),
        (Colour.RED, b'"red"'),
        ({1: "a"}, b'{"1":"a"}'),
        ({"when": datetime.date(2026, 11, 24)}, b'{"when":"2026-11-24"}'),
        ([msgspec.Raw(b'{"a": null}'), None], b'[{"a": null},null]'),
        (2**70, b"1180591620717411303424"),
        ("null", b'"null"'),
    ],
)
def test_structs_dataclasses_and_plain_values_are_results(value: Any, encoded: bytes) -> None:
    assert encode_result(value) == encoded


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), "the result of type object cannot be stored: Encoding objects of type object is unsupported"),
        (
            {"a": Path("x")},
            "the result of type dict cannot be stored: Encoding objects of type PosixPath is unsupported",
        ),
        ([Broken()], "the result of type list cannot be stored: Encoding objects of type Broken is unsupported"),
        ((item for item in "ab"), "the result of type generator cannot be stored"),
        (1j, "the result of type complex cannot be stored"),
        ({(1, 2): 3}, "the result of type dict cannot be stored: Only dicts with str-like or number-like keys"),
        ([10**5000], "the result of type list cannot be stored"),
        ("\ud800", "the result of type str cannot be stored: .* surrogates not allowed"),
        ({"\ud800": 1}, "the result of type dict cannot be stored: .* surrogates not allowed"),
        (msgspec.Raw(b"{not json"), "the result cannot be read as JSON"),
        (msgspec.Raw(b'"\xff"'), "the result cannot be read as JSON"),
    ],
)
def test_what_is_not_json_is_refused_and_told_what_is_allowed(value: Any, sentence: str) -> None:
    with pytest.raises(BadResult, match=sentence) as caught:
        encode_result(value)

    assert str(caught.value).endswith(
        "JSON is None, bool, int, float, str, list, dict, and Structs or dataclasses of these"
    )


def test_a_result_of_exactly_one_mib_is_allowed() -> None:
    assert len(encode_result("x" * (MAX_RESULT_BYTES - 2))) == MAX_RESULT_BYTES


def test_a_result_over_one_mib_is_refused_with_both_sizes() -> None:
    with pytest.raises(BadResult, match=r"^the result has 1048577 bytes as JSON; 1048576 are allowed$"):
        encode_result("x" * (MAX_RESULT_BYTES - 1))


@pytest.mark.parametrize("levels", [65, 500, 5_000])
def test_a_result_deeper_than_64_levels_is_refused(levels: int) -> None:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]

    with pytest.raises(BadResult, match="nested deeper than 64 levels"):
        encode_result(value)


def test_a_result_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(BadResult, match="contains itself"):
        encode_result(value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, r"nan at `\$`"),
        ({"rows": [{"share": math.inf}]}, r"inf at `\$.rows\[0\].share`"),
        (Made("a", -math.inf), r"-inf at `\$.share`"),
        (Plain((1.0, math.nan)), r"nan at `\$.shares\[1\]`"),
        (Pair(math.nan), r"nan at `\$\[0\]`"),
        ({math.nan}, r"nan at `\$\[0\]`"),
    ],
)
def test_a_number_that_json_lacks_is_refused_instead_of_becoming_null(value: Any, path: str) -> None:
    with pytest.raises(BadResult, match=f"the result has {path}, which JSON cannot say"):
        encode_result(value)
