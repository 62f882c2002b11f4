"""Whether the figures of a soak are flat: at rest as before, and without a slope in the second half."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from benchmarks.rows import Row
from benchmarks.soak.vitals import Sample

#: So many times its standard error is a slope that chance may bring.
CHANCE: Final = 3.0
#: The fit is through means of so many seconds, in which the size goes up and down twice: what is sampled a second later
#: is no news, and would make the fit look surer than it is.
BLOCK_SECONDS: Final = 10
#: Fewer blocks tell no slope; then only rest is judged.
LEAST_BLOCKS: Final = 10


class Bound(Struct, frozen=True):
    """By how much a figure may rise over the second half, and at rest from before to after."""

    rise: float
    at_rest: float = 0.0
    unit: str = ""


#: What is counted must come back to what it was, to the last one. Half of one more over the second half is none: one
#: that is kept for good shows at rest. Of memory, the allocator keeps what a burst has needed; a leak of 100 bytes a
#: job is more than this in 20,000 jobs. At rest Redis holds ended jobs, of which it has enough before the second half.
BOUNDS: Final = {
    "descriptors": Bound(0.5),
    "threads": Bound(0.5),
    "RSS": Bound(2.0, 8.0, "MiB"),
    "children": Bound(0.5),
    "zombies": Bound(0.5),
    "strays": Bound(0.0),
    "Redis keys": Bound(0.5),
    "Redis memory": Bound(2.0, 16.0, "MiB"),
}


def judge(before: Sample, samples: Sequence[Sample], after: Sample) -> Iterator[Row]:
    """Yield a row for each figure. There are samples of each second, and one at rest before and after."""
    for what, bound in BOUNDS.items():
        yield _row(what, bound, before[what], [sample[what] for sample in samples], after[what])


def has_grown(before: Sample, after: Sample) -> bool:
    """Whether there is more of anything at rest than may be."""
    return any(after[what] - before[what] > bound.at_rest for what, bound in BOUNDS.items())


def _row(what: str, bound: Bound, before: float, course: Sequence[float], after: float) -> Row:
    means = blocks(course[len(course) // 2 :])
    slope, error = fit(means)
    rise, doubt = slope * len(means), CHANCE * error * len(means)
    failure = ""
    if len(means) >= LEAST_BLOCKS and rise - doubt > bound.rise:
        failure = f"{what}: rose by {rise:.3g} over the second half, give or take {doubt:.3g}"
    elif after - before > bound.at_rest:
        failure = f"{what}: {before:.4g} at rest before, {after:.4g} after"
    start, middle, end = (f"{value:.3g}" for value in thirds(course))
    return Row(
        f"soak: {what}",
        60 / BLOCK_SECONDS * slope,
        f"{bound.unit} more a minute".strip(),
        f"start {start}, middle {middle}, end {end}; at rest {before:.3g}, then {after:.3g}",
        asked=f"over the second half {bound.rise:g} more at most, at rest {bound.at_rest:g}",
        failure=failure,
    )


def blocks(course: Sequence[float]) -> list[float]:
    """Return the means of whole blocks; what is left over is left out at the start."""
    left_over, size = len(course) % BLOCK_SECONDS, BLOCK_SECONDS
    return [statistics.fmean(course[start : start + size]) for start in range(left_over, len(course), size)]


def thirds(course: Sequence[float]) -> list[float]:
    """Return the mean of the first, the middle and the last tenth."""
    size = max(1, len(course) // 10)
    places = (0, (len(course) - size) // 2, len(course) - size)
    return [statistics.fmean(course[place : place + size]) for place in places]


def fit(course: Sequence[float]) -> tuple[float, float]:
    """Return the slope of the line through the figures, by step, and its standard error; 0 for fewer than two."""
    if len(course) < 2:
        return 0.0, 0.0
    steps = range(len(course))
    slope, intercept = statistics.linear_regression(steps, course)
    rest = sum((value - intercept - slope * step) ** 2 for step, value in zip(steps, course, strict=True))
    spread = sum((step - statistics.fmean(steps)) ** 2 for step in steps)
    return slope, (rest / max(1, len(course) - 2) / spread) ** 0.5
