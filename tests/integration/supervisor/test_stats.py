"""A supervisor hands over what attempts came to and cost: soon while it runs, and the rest when it ends."""

import pytest

from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def outcomes(place: Workplace) -> dict[str, dict[str, int]]:
    hour, _ = place.store.stats.read()
    return {sums.type: sums.outcomes for sums in hour.types}


def test_attempts_are_there_soon_and_each_once(place: Workplace) -> None:
    place.start().wait_for("ready")
    for _ in range(3):
        place.run("pid")
    place.run("raises", max_attempts=1)
    place.run("leaves", max_attempts=1)
    place.run("crash", {"exit_code": 3}, max_crashes=2)
    expected = {"pid": {"succeeded": 3}, "raises": {"raised": 1}, "leaves": {"raised": 1}, "crash": {"crashed": 2}}
    wait_until(lambda: outcomes(place) == expected)
    hour, day = place.store.stats.read()
    assert hour.types == day.types
    assert all(sums.wall_us > 0 for sums in hour.types)


def test_what_was_not_handed_over_yet_is_when_it_drains(place: Workplace) -> None:
    supervisor = place.start()
    supervisor.wait_for("ready")
    place.run("pid")
    supervisor.process.terminate()
    assert supervisor.process.wait(timeout=20) == 0
    assert outcomes(place) == {"pid": {"succeeded": 1}}
