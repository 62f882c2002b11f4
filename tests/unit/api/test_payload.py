"""The bounds of a payload."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobworker.api.errors import InvalidBody, PayloadTooLarge
from jobworker.api.payload import check_payload, is_nested_deeper
from jobworker.store.limits import MAX_PAYLOAD_BYTES

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[]{}"\\a,:'), inner),
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(JSON_VALUES, st.integers(0, 6))
def test_depth_is_what_counting_brackets_outside_of_strings_gives(value: object, levels: int) -> None:
    assert is_nested_deeper(msgspec.json.encode(value), levels) == (depth_of(value) > levels)


def test_whitespace_between_brackets_hides_nothing() -> None:
    assert is_nested_deeper(b"[ [ [\n] ] ]", 2)
    assert not is_nested_deeper(b"[ [ [\n] ] ]", 3)


def test_a_megabyte_of_shallow_brackets_is_taken() -> None:
    check_payload(b"[" + b"[[]]," * 200_000 + b"[]]")


def test_a_payload_of_the_greatest_size_is_taken() -> None:
    check_payload(b" " * MAX_PAYLOAD_BYTES)


def test_a_byte_more_is_too_large() -> None:
    with pytest.raises(PayloadTooLarge, match="payload is 1048577 bytes; at most 1048576"):
        check_payload(b" " * (MAX_PAYLOAD_BYTES + 1))


def test_a_level_more_is_too_deep() -> None:
    check_payload(b"[" * 64 + b"]" * 64)
    with pytest.raises(InvalidBody, match="deeper than 64 levels"):
        check_payload(b"[" * 65 + b"]" * 65)


@pytest.mark.parametrize("number", [b"1e999", b"-1E400", b"[0.5, 1e309]", b"9" * 5000])
def test_a_number_that_no_worker_can_read_is_refused(number: bytes) -> None:
    with pytest.raises(InvalidBody, match="out of range"):
        check_payload(number)


@pytest.mark.parametrize("payload", [b"1e308", b'"1e999"', b"9" * 300, b'{"e": [1, 2E5]}'])
def test_a_number_that_only_looks_so_is_taken(payload: bytes) -> None:
    check_payload(payload)
