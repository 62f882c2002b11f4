"""Which of the occurrences that are due are fired."""

import pytest

from jobworker.store.job import NewJob
from jobworker.store.schedules import DueSchedule, Misfire
from jobworker.store.timing import Timing
from jobworker.supervisor.clockwork import wanted_of


@pytest.mark.parametrize(
    ("misfire", "now_ms", "wanted"),
    [
        # 1000 and 2000 are late, 3000 is in time.
        ("skip", 3100, [3000]),
        ("once", 3100, [3000]),
        ("all", 3100, [1000, 2000, 3000]),
        # All are late.
        ("skip", 3900, []),
        ("once", 3900, [3000]),
        ("all", 3900, [1000, 2000, 3000]),
    ],
)
def test_what_is_late_is_left_out_or_made_up_for(misfire: Misfire, now_ms: int, wanted: list[int]) -> None:
    schedule = DueSchedule("often", 1, 1000, Timing(every_ms=1000), misfire, 500, NewJob("", "echo"))
    assert wanted_of([1000, 2000, 3000], schedule, now_ms) == wanted


@pytest.mark.parametrize("misfire", ["skip", "all"])
def test_never_more_than_a_hundred_are_fired_at_once(misfire: Misfire) -> None:
    schedule = DueSchedule("often", 1, 0, Timing(every_ms=1), misfire, 10_000, NewJob("", "echo"))
    assert wanted_of(range(500), schedule, 500) == list(range(400, 500))
