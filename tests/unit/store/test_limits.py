"""The table of ranges."""

from typing import Any

import msgspec
import pytest

from jobworker.store import limits


@pytest.mark.parametrize(
    ("kind", "lowest", "highest", "below", "above"),
    [
        (limits.Priority, 1, 10, 0, 11),
        (limits.TimeoutSeconds, 0.1, 86_400, 0.09, 86_400.1),
        (limits.DelaySeconds, 0, 366 * 86_400, -0.1, 366 * 86_400 + 1),
        (limits.MaxAttempts, 1, 100, 0, 101),
        (limits.MaxCrashes, 1, 1000, 0, 1001),
    ],
)
def test_a_range_includes_its_ends_and_nothing_beyond(
    kind: Any, lowest: float, highest: float, below: float, above: float
) -> None:
    assert [msgspec.convert(value, kind) for value in (lowest, highest)] == [lowest, highest]
    for value in (below, above):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


@pytest.mark.parametrize("name", ["a", "7", "image.resize", "A-b_c.9", "x" * 128])
def test_a_name_is_letters_digits_dots_underscores_and_dashes(name: str) -> None:
    assert msgspec.convert(name, limits.Name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "_a", "a b", "a/b", "a:b", "*", "{0}", "é", "a\n", "x" * 129])
def test_anything_else_is_no_name(name: str) -> None:
    """A colon would make two keys of one, a star is all queues, a space splits an attempt's record."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, limits.Name)


def test_sizes_are_those_of_the_design() -> None:
    assert (limits.MAX_PAYLOAD_BYTES, limits.MAX_RESULT_BYTES) == (1_048_576, 1_048_576)
    assert (limits.MAX_BATCH_JOBS, limits.MAX_BATCH_BYTES) == (200, 4_194_304)
    assert limits.MAX_JSON_DEPTH == 64
