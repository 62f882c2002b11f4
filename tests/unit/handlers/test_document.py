import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobworker.handlers.document import Json, deeper_than

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}"\\a\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\a'), inner, max_size=3),
    max_leaves=30,
)


@given(document=JSON, limit=st.integers(min_value=0, max_value=6))
def test_the_depth_is_that_of_a_recursive_count(document: Json, limit: int) -> None:
    assert deeper_than(json.dumps(document).encode(), limit) is (_depth(document) > limit)


@pytest.mark.parametrize("levels", [64, 65, 100_000])
def test_only_more_than_64_levels_are_deeper_than_64(levels: int) -> None:
    assert deeper_than(b"[" * levels + b"]" * levels, 64) is (levels > 64)


def test_a_wide_document_is_not_deep() -> None:
    assert not deeper_than(b"[" + b",".join([b'{"a": []}'] * 1000) + b"]", 64)


def test_brackets_in_strings_do_not_count() -> None:
    assert not deeper_than(b'{"a": "' + b"[" * 100 + b'", "\\"' + b"{" * 100 + b'\\\\": 1}', 64)


def test_a_truncated_document_is_measured_as_far_as_it_goes() -> None:
    assert deeper_than(b"[" * 65, 64)


def _depth(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
