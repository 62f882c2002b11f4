"""Versions of the data."""

import pytest

from jobworker.store.schema import SCHEMA, is_compatible


@pytest.mark.parametrize("found", [SCHEMA, "1.9", "1.10", "1"])
def test_the_same_major_version_is_ours(found: str) -> None:
    assert is_compatible(found)


@pytest.mark.parametrize("found", ["0.9", "2.0", "10.0", "11", ""])
def test_another_major_version_is_not(found: str) -> None:
    assert not is_compatible(found)
