import pytest

from jobworker.cli.quantity import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.001, "0.001 s"),
        (1.25, "1.25 s"),
        (59.4, "59.4 s"),
        (60, "1 min"),
        (90, "1.5 min"),
        (3600, "1 h"),
        (86_399, "24 h"),
        (864_000, "10 d"),
    ],
)
def test_a_time_has_three_digits_and_the_greatest_unit_it_fills(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (34_603_008, "33 MiB"), (3 * 2**29, "1.5 GiB")]
)
def test_bytes_are_counted_in_the_greatest_unit_they_fill(count: int, text: str) -> None:
    assert size(count) == text
