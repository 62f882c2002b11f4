import pytest

from benchmarks.soak.flatness import BOUNDS, blocks, fit, has_grown, judge, thirds

REST = {
    "descriptors": 20.0,
    "threads": 1.0,
    "RSS": 40.0,
    "children": 5.0,
    "zombies": 0.0,
    "strays": 0.0,
    "Redis keys": 21.0,
    "Redis memory": 3.0,
}
SECONDS = 600


def _failures(what: str, course: list[float], after: float) -> list[str]:
    samples = [{**REST, what: value} for value in course]
    return [row.failure for row in judge(REST, samples, {**REST, what: after}) if row.failure]


def test_a_figure_that_goes_up_and_down_is_flat() -> None:
    assert _failures("descriptors", [20.0 + second % 7 for second in range(SECONDS)], 20.0) == []


def test_one_more_every_other_minute_is_not_flat() -> None:
    [failure] = _failures("descriptors", [20.0 + second % 7 + second // 120 for second in range(SECONDS)], 20.0)
    assert failure.startswith("descriptors: rose by 2.")


def test_what_has_grown_in_the_first_half_only_is_flat() -> None:
    assert _failures("RSS", [min(40.0 + second / 60, 45.0) for second in range(SECONDS)], 45.0) == []


def test_a_short_course_tells_no_slope() -> None:
    assert _failures("descriptors", [20.0 + second for second in range(60)], 20.0) == []


@pytest.mark.parametrize(("what", "after"), [("descriptors", 21.0), ("zombies", 1.0), ("RSS", 48.5)])
def test_what_is_more_at_rest_than_before_has_grown(what: str, after: float) -> None:
    [failure] = _failures(what, [REST[what]] * SECONDS, after)
    assert failure.startswith(f"{what}: ")
    assert "at rest before" in failure
    assert has_grown(REST, {**REST, what: after})


def test_what_is_as_it_was_or_less_has_not_grown() -> None:
    assert not has_grown(REST, REST)
    assert not has_grown(REST, {what: value - 1 for what, value in REST.items()})


def test_every_figure_has_its_row() -> None:
    assert [row.what for row in judge(REST, [REST], REST)] == [f"soak: {what}" for what in BOUNDS]


def test_the_fit_is_the_slope_and_how_sure_it_is() -> None:
    assert fit([1.0, 3.0, 5.0, 7.0]) == (2.0, 0.0)
    slope, error = fit([0.0, 1.0, 0.0, 1.0])
    assert (slope, round(error, 3)) == (0.2, 0.283)


def test_one_figure_has_no_slope() -> None:
    assert fit([5.0]) == (0.0, 0.0)


def test_start_middle_and_end_are_means_of_a_tenth_each() -> None:
    assert thirds([float(number) for number in range(30)]) == [1.0, 14.0, 28.0]


def test_blocks_are_means_of_ten_seconds_up_to_the_end() -> None:
    assert blocks([99.0, *(float(number) for number in range(20))]) == [4.5, 14.5]
    assert blocks([1.0] * 9) == []
