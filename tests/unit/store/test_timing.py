"""When schedules are due; where clocks are changed, too."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobworker.store.timing import MAX_CAUGHT_UP, BadTiming, Timing, check_timing, plain_cron

MINUTE_MS = 60_000
DAY_MS = 86_400_000
#: A zone, and days before clocks are changed there.
CHANGES = [
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("Australia/Lord_Howe", "2026-10-02"),
    ("Australia/Lord_Howe", "2026-04-03"),
    ("Pacific/Apia", "2011-12-28"),
]


def ms(text: str) -> int:
    return round(1000 * datetime.fromisoformat(text).timestamp())


def told(timing: Timing, after: str, count: int) -> list[str]:
    zone = ZoneInfo(timing.timezone)
    due = timing.preview(ms(after), count)
    return [datetime.fromtimestamp(due_ms / 1000, zone).isoformat(timespec="minutes") for due_ms in due]


def by_the_clock(minutes: set[int], hours: set[int], zone: ZoneInfo, begin_ms: int, end_ms: int) -> Iterator[int]:
    """Yield every minute at which the clock on the wall shows one of these."""
    for due_ms in range(begin_ms + MINUTE_MS, end_ms + 1, MINUTE_MS):
        wall = datetime.fromtimestamp(due_ms / 1000, UTC).astimezone(zone)
        if wall.minute in minutes and wall.hour in hours:
            yield due_ms


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        # The hour from 2 to 3 is left out.
        ("30 2 * * *", "2026-03-29T00:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,30 2 * * *", "2026-03-29T00:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("*/30 2 * * *", "2026-03-29T00:00+01:00", ["2026-03-30T02:00+02:00", "2026-03-30T02:30+02:00"]),
        # The hour from 2 to 3 comes twice.
        ("30 2 * * *", "2026-10-25T00:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("0 * * * *", "2026-10-25T01:30+02:00", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
    ],
)
def test_a_time_that_is_left_out_comes_at_its_end_and_one_that_comes_twice_counts_once(
    cron: str, after: str, due: list[str]
) -> None:
    assert told(Timing(cron=cron, timezone="Europe/Berlin"), after, 2) == due


def test_the_day_that_samoa_has_left_out_comes_with_the_next() -> None:
    timing = Timing(cron="0 12 * * *", timezone="Pacific/Apia")
    assert told(timing, "2011-12-29T13:00-10:00", 2) == ["2011-12-31T00:00+14:00", "2011-12-31T12:00+14:00"]


@settings(deadline=None, max_examples=40)
@given(
    change=st.sampled_from(CHANGES),
    step=st.sampled_from([7, 15, 30, 60]),
    hours=st.sampled_from(["*", "*/2", "1-4", "2", "3,4"]),
)
def test_what_comes_every_so_many_minutes_goes_by_the_clock(change: tuple[str, str], step: int, hours: str) -> None:
    zone, begin_ms = ZoneInfo(change[0]), ms(f"{change[1]}T00:00+00:00")
    every = {"*": range(24), "*/2": range(0, 24, 2), "1-4": range(1, 5), "2": [2], "3,4": [3, 4]}[hours]
    minutes = f"*/{step}" if step < 60 else "*/59"
    wanted = set(range(0, 60, step if step < 60 else 59))
    end_ms = begin_ms + 3 * DAY_MS
    expected = list(by_the_clock(wanted, set(every), zone, begin_ms, end_ms))
    found = Timing(cron=f"{minutes} {hours} * * *", timezone=change[0]).preview(begin_ms, len(expected) + 1)
    assert [due_ms for due_ms in found if due_ms <= end_ms] == expected


@settings(deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    offset=st.integers(0, 2 * DAY_MS),
)
def test_a_fixed_time_comes_once_for_each_day_and_always_later(
    change: tuple[str, str], minute: int, hour: int, offset: int
) -> None:
    begin_ms = ms(f"{change[1]}T00:00+00:00") + offset
    due = Timing(cron=f"{minute} {hour} * * *", timezone=change[0]).preview(begin_ms, 6)
    assert all(earlier < later for earlier, later in zip([begin_ms, *due], due, strict=False))
    days = [datetime.fromtimestamp(due_ms / 1000, ZoneInfo(change[0])).date() for due_ms in due]
    left_out = date(2011, 12, 30)
    assert len(set(days)) == len(days) or (change[0] == "Pacific/Apia" and left_out not in days)


def test_an_interval_is_counted_from_its_anchor_in_both_directions() -> None:
    assert Timing(every_ms=1000, anchor_ms=5300).preview(0, 2) == [300, 1300]
    assert Timing(every_ms=1000, anchor_ms=300).preview(300, 2) == [1300, 2300]


def test_once_is_once_and_start_and_end_bound_what_comes() -> None:
    assert Timing(at_ms=500).preview(0, 5) == [500]
    assert Timing(at_ms=500).next_after(500) is None
    assert Timing(every_ms=100, start_ms=250, end_ms=400).preview(0, 5) == [300, 400]


def test_of_very_many_missed_ones_the_last_are_found_quickly() -> None:
    now_ms = ms("2026-06-01T00:00:30+00:00")
    found = Timing(cron="* * * * *", timezone="Europe/Berlin").due(0, now_ms)
    assert len(found) >= MAX_CAUGHT_UP
    assert found[-1] == ms("2026-06-01T00:00+00:00")
    assert found == sorted(set(found))
    assert Timing(cron="0 0 29 2 *").due(ms("2020-02-29T00:00+00:00"), now_ms) == [
        ms("2020-02-29T00:00+00:00"),
        ms("2024-02-29T00:00+00:00"),
    ]


@pytest.mark.parametrize(("nickname", "cron"), [("@hourly", "0 * * * *"), ("@DAILY", "0 0 * * *")])
def test_nicknames_are_cron_too(nickname: str, cron: str) -> None:
    assert plain_cron(nickname) == cron


@pytest.mark.parametrize(
    ("cron", "why"), [("* * * * * *", "this has 6; for less than a minute"), ("@reboot", "@hourly"), ("", "this has 0")]
)
def test_what_is_not_five_fields_is_refused(cron: str, why: str) -> None:
    with pytest.raises(BadTiming, match=why):
        plain_cron(cron)


@pytest.mark.parametrize(
    ("timing", "field"),
    [
        (Timing(), "cron"),
        (Timing(cron="* * * * *", every_ms=1000), "every"),
        (Timing(cron="61 * * * *"), "cron"),
        (Timing(cron="0 0 * * *", timezone="Europe/Atlantis"), "timezone"),
        (Timing(cron="0 0 * * *", timezone="../etc/passwd"), "timezone"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(timing: Timing, field: str) -> None:
    with pytest.raises(BadTiming) as refused:
        check_timing(timing)
    assert refused.value.field == field
