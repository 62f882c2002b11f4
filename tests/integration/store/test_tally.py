"""Sums of attempts: what is handed over counts once, in its minute and its hour, and goes when it is old."""

import pytest

from jobworker.store.errors import Reaped
from jobworker.store.job import Receipt
from jobworker.store.limits import MAX_TYPES
from jobworker.store.states import Outcome
from jobworker.store.stats import OTHER_TYPES, Period, Sums
from tests.support.world import Supervisor, World

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def some(type_name: str = "echo", succeeded: int = 1, peak_rss_bytes: int = 4096) -> Sums:
    return Sums(type_name, {"succeeded": succeeded}, 3_000_000, 200, 100, peak_rss_bytes)


def hour_and_day(world: World) -> tuple[list[Sums], list[Sums]]:
    hour, day = world.store.stats.read()
    return hour.types, day.types


def test_of_nothing_there_are_no_sums(world: World) -> None:
    now_ms = world.clock.now_ms
    minute_ms, hour_ms = now_ms // MINUTE_MS * MINUTE_MS, now_ms // HOUR_MS * HOUR_MS
    assert world.store.stats.read() == (
        Period(minute_ms - 59 * MINUTE_MS, now_ms, []),
        Period(hour_ms - 23 * HOUR_MS, now_ms, []),
    )


def test_what_is_handed_over_is_there_by_minute_and_by_hour(world: World, alpha: Supervisor) -> None:
    before = world.snapshot()
    alpha.tally(1, some())
    changed = world.changes_since(before)
    fields = {
        ":types": "1",
        "echo:succeeded": "1",
        "echo:wall_us": "3000000",
        "echo:cpu_user_us": "200",
        "echo:cpu_system_us": "100",
        "echo:peak_rss_bytes": "4096",
    }
    assert changed == {
        f"stats_minute:{world.clock.now_ms // MINUTE_MS}": fields,
        f"stats_hour:{world.clock.now_ms // HOUR_MS}": fields,
        "stats_total": fields,
        "supervisor:alpha": {"last_tally": "1"},
    }
    assert hour_and_day(world) == ([some()], [some()])


def test_sums_of_all_supervisors_and_minutes_are_added_up(world: World, alpha: Supervisor) -> None:
    beta = world.register("beta")
    alpha.tally(1, some(peak_rss_bytes=9), some("mail"))
    world.advance(MINUTE_MS)
    beta.tally(1, some(peak_rss_bytes=5))
    alpha.tally(2, some(peak_rss_bytes=7))
    echo = Sums("echo", {"succeeded": 3}, 9_000_000, 600, 300, 9)
    assert hour_and_day(world) == ([echo, some("mail")], [echo, some("mail")])


def test_the_total_only_grows_and_never_goes(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, some())
    alpha.tally(1, some())
    world.advance(31 * 24 * HOUR_MS)
    world.register("beta").tally(1, some())
    [echo] = world.store.census.take().totals
    assert echo.outcomes == {"succeeded": 2}
    assert world.ttl_ms(world.keys.stats_total) < 0


def test_a_repeat_adds_nothing_even_in_another_minute(world: World, alpha: Supervisor) -> None:
    for _ in range(2):
        alpha.tally(1, some())
        world.advance(MINUTE_MS)
    assert hour_and_day(world) == ([some()], [some()])


def test_the_next_incarnation_numbers_its_calls_anew(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, some())
    alpha.leave()
    world.register("alpha").tally(1, some())
    assert hour_and_day(world)[0][0].runs == 2


def test_who_may_not_write_any_more_adds_nothing(world: World, alpha: Supervisor) -> None:
    alpha.leave()
    with pytest.raises(Reaped):
        alpha.tally(1, some())
    assert hour_and_day(world) == ([], [])


def test_the_hour_goes_by_minutes_and_the_day_by_hours(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, some())
    world.advance(59 * MINUTE_MS)
    assert hour_and_day(world)[0] == [some()]
    world.advance(MINUTE_MS)
    assert hour_and_day(world) == ([], [some()])
    world.advance(22 * HOUR_MS)
    assert hour_and_day(world)[1] == [some()]
    world.advance(HOUR_MS)
    assert hour_and_day(world) == ([], [])


def test_minutes_are_kept_for_a_day_and_hours_for_a_month(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, some())
    ttl_ms = {name.partition(":")[0]: world.ttl_ms(world.keys.base + name) for name in world.snapshot()}
    assert 24 * HOUR_MS < ttl_ms["stats_minute"] <= 24 * HOUR_MS + MINUTE_MS
    assert 30 * 24 * HOUR_MS < ttl_ms["stats_hour"] <= (30 * 24 + 1) * HOUR_MS


def test_types_beyond_the_bound_are_added_up_as_others(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, *(some(f"type-{number}") for number in range(MAX_TYPES)))
    alpha.tally(2, some("one-more"), some("another"), some("type-0"))
    types = {one.type: one.runs for one in hour_and_day(world)[0]}
    assert len(types) == MAX_TYPES + 1
    assert (types[OTHER_TYPES], types["type-0"], types["type-1"]) == (2, 2, 1)


def test_figures_of_another_version_are_passed_over(world: World, alpha: Supervisor) -> None:
    alpha.tally(1, some())
    world.client.hset(world.keys.stats_minute(world.clock.now_ms // MINUTE_MS), "echo:joules", 7)
    assert hour_and_day(world)[0] == [some()]


def test_attempts_are_counted_with_their_receipts() -> None:
    sums = Sums("echo")
    sums.count(Outcome.SUCCEEDED, Receipt(1.5, 0.25, 0.125, 4096))
    sums.count(Outcome.SUCCEEDED, Receipt(0.5, 0.25, 0.0, None))
    sums.count(Outcome.LOST, None)
    assert sums == Sums("echo", {"succeeded": 2, "lost": 1}, 2_000_000, 500_000, 125_000, 4096)
    assert sums.runs == 3
