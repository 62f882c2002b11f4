"""Delays between attempts."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobworker.store.backoff import Backoff
from jobworker.store.limits import MaxAttempts


def test_without_jitter_the_delay_grows_by_the_factor_up_to_the_maximum() -> None:
    backoff = Backoff(base=1.5, factor=3.0, max=40.0, jitter=False)
    assert [backoff.delay_ms(failures) for failures in (1, 2, 3, 4, 5)] == [1500, 4500, 13_500, 40_000, 40_000]


def test_the_defaults_are_one_second_doubled_up_to_an_hour_with_jitter() -> None:
    assert Backoff() == Backoff(base=1.0, factor=2.0, max=3600.0, jitter=True)
    ceilings: list[float] = []

    def highest(low: float, high: float) -> float:
        assert low == 0.0
        ceilings.append(high)
        return high

    assert [Backoff().delay_ms(failures, highest) for failures in (1, 2, 13)] == [1000, 2000, 3_600_000]
    assert ceilings == [1.0, 2.0, 3600.0]


@given(
    failures=st.integers(1, 100),
    base=st.floats(0, 86_400),
    factor=st.floats(1, 100),
    most=st.floats(0, 86_400),
    seed=st.integers(),
)
def test_full_jitter_lies_between_nothing_and_the_delay_without_it(
    failures: int, base: float, factor: float, most: float, seed: int
) -> None:
    ceiling_ms = Backoff(base, factor, most, jitter=False).delay_ms(failures)
    assert 0 <= ceiling_ms <= round(1000 * most)
    delay_ms = Backoff(base, factor, most).delay_ms(failures, random.Random(seed).uniform)
    assert 0 <= delay_ms <= ceiling_ms


def test_jitter_spreads_over_the_whole_range() -> None:
    uniform = random.Random(1).uniform
    delays = [Backoff(base=1.0, max=1.0).delay_ms(1, uniform) for _ in range(1000)]
    assert min(delays) < 50
    assert max(delays) > 950
    assert 450 < sum(delays) / len(delays) < 550


@pytest.mark.parametrize("failures", [100, 1000])
def test_the_highest_attempt_at_the_highest_factor_does_not_overflow(failures: int) -> None:
    assert Backoff(base=86_400.0, factor=100.0, max=86_400.0, jitter=False).delay_ms(failures) == 86_400_000


def test_the_highest_attempt_is_one_that_a_job_may_have() -> None:
    assert msgspec.convert(100, MaxAttempts) == 100


@pytest.mark.parametrize(
    "body",
    [
        '{"base": -0.1}',
        '{"base": 86401}',
        '{"factor": 0.9}',
        '{"factor": 101}',
        '{"max": -1}',
        '{"max": 86401}',
        '{"jitter": 1}',
        '{"unknown": 1}',
    ],
)
def test_a_value_out_of_range_and_an_unknown_field_are_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Backoff)


@pytest.mark.parametrize("body", ['{"base": 0, "max": 0}', '{"base": 86400, "factor": 100, "max": 86400}', "{}"])
def test_the_ends_of_the_ranges_are_allowed(body: str) -> None:
    assert msgspec.json.decode(body, type=Backoff).delay_ms(3) >= 0
