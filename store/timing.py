"""When a schedule is due: by a cron expression in a time zone, every so often, or once. All times in ms since 1970."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

#: How many missed occurrences are fired at most, the latest ones.
MAX_CAUGHT_UP: Final = 100
#: What cron's own nicknames stand for; `@reboot` is none of ours.
NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
#: How far is looked for the next time: 29 February can be a Monday no sooner than in 40 years.
YEARS_AHEAD: Final = 50
#: Behind it no zone can name a time; before it nothing was scheduled.
_LAST_MS: Final = 253_370_678_400_000


class BadTiming(ValueError):
    """Nothing can be due like that."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Timing(Struct, frozen=True, omit_defaults=True):
    """When a schedule is due: exactly one of `cron`, `every_ms` and `at_ms` is given."""

    #: Five fields.
    cron: str | None = None
    #: IANA name of the zone that `cron` is meant in.
    timezone: str = "UTC"
    every_ms: int | None = None
    #: An instant at which `every_ms` is due; all others are counted from it, in both directions.
    anchor_ms: int = 0
    at_ms: int | None = None
    #: Nothing is due before it, nor after the other.
    start_ms: int | None = None
    end_ms: int | None = None

    def next_after(self, after_ms: int) -> int | None:
        """Return the first time after `after_ms` at which it is due; None: never again."""
        if self.start_ms is not None:
            after_ms = max(after_ms, self.start_ms - 1)
        due_ms = self._due_after(min(after_ms, _LAST_MS))
        return None if due_ms is None or due_ms > (self.end_ms or _LAST_MS) else due_ms

    def preview(self, after_ms: int, count: int) -> list[int]:
        """Return the next times at which it is due, `count` at most."""
        return [due_ms for due_ms, _ in zip(self._all_after(after_ms), range(count), strict=False)]

    def due(self, first_ms: int, now_ms: int) -> list[int]:
        """Return what is due from `first_ms`, which is, until now, in order; of very many the last ones.

        At least the last MAX_CAUGHT_UP are there. Bounded: a year of minutes is not gone through.
        """
        span_ms = 2 * MAX_CAUGHT_UP * (self.every_ms or 60_000)
        while True:
            begin_ms = max(first_ms, now_ms - span_ms)
            found = self._between(begin_ms - 1, now_ms)
            if begin_ms == first_ms or len(found) >= MAX_CAUGHT_UP:
                return found
            span_ms *= 4

    def _between(self, after_ms: int, until_ms: int) -> list[int]:
        found: deque[int] = deque(maxlen=10 * MAX_CAUGHT_UP)
        for due_ms in self._all_after(after_ms):
            if due_ms > until_ms:
                break
            found.append(due_ms)
        return list(found)

    def _all_after(self, after_ms: int) -> Iterator[int]:
        due_ms = self.next_after(after_ms)
        while due_ms is not None:
            yield due_ms
            due_ms = self.next_after(due_ms)

    def _due_after(self, after_ms: int) -> int | None:
        if self.at_ms is not None:
            return self.at_ms if self.at_ms > after_ms else None
        if self.every_ms is not None:
            return after_ms + self.every_ms - (after_ms - self.anchor_ms) % self.every_ms
        return _cron_after(self.cron or "", zone_of(self.timezone), after_ms)


def check_timing(timing: Timing) -> None:
    """Raise BadTiming unless exactly one way is given, and can be read."""
    ways = {"cron": timing.cron, "every": timing.every_ms, "at": timing.at_ms}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        raise BadTiming("give exactly one of cron, every and at", field=given[1] if given else "cron")
    if timing.cron is None:
        return
    zone_of(timing.timezone)
    try:
        CronSim(timing.cron, _EPOCH)
    except CronSimError as error:
        raise BadTiming(f"cron cannot be read: {str(error) or 'it is malformed'}", field="cron") from None


def plain_cron(text: str) -> str:
    """Return a cron expression of five fields. Raises BadTiming."""
    expression = " ".join(text.split())
    if expression.startswith("@"):
        if expression.lower() not in NICKNAMES:
            raise BadTiming(f"cron knows {', '.join(NICKNAMES)}", field="cron")
        return NICKNAMES[expression.lower()]
    fields = len(expression.split())
    if fields != 5:
        more = "; for less than a minute there is `every`" if fields == 6 else ""
        raise BadTiming(
            f"cron has 5 fields, minute, hour, day of month, month, day of week; this has {fields}{more}", field="cron"
        )
    return expression


@cache
def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name. Raises BadTiming."""
    if name == "UTC":
        # Without its data file, and quicker.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadTiming(
            f"{name[:100]} is no time zone of the IANA database, for example Europe/Berlin", field="timezone"
        ) from None


def _cron_after(cron: str, zone: tzinfo, after_ms: int) -> int | None:
    """Return the first time behind `after_ms`; None: none in 50 years."""
    form = _form_of(cron)
    # Not the day before: where a day is left out its times are due with the first minute of the next.
    day = (_EPOCH + after_ms * _MS).astimezone(zone).date() - timedelta(days=1)
    last_year = min(day.year + YEARS_AHEAD, 9998)
    while day.year <= last_year:
        if day.month not in form.months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        if form.match_day(day):
            found = _first_of_day(cron, zone, day, after_ms)
            if found is not None:
                return found
        day += timedelta(days=1)
    return None


def _first_of_day(cron: str, zone: tzinfo, day: date, after_ms: int) -> int | None:
    begin, end = (datetime.combine(day + timedelta(days=days), time(), zone) for days in (0, 1))
    if begin.utcoffset() != end.utcoffset():
        return min((due_ms for due_ms in _around_change(cron, zone, day) if due_ms > after_ms), default=None)
    begin_ms = _ms(begin)
    minutes = _minutes_of_day(cron)
    place = bisect_right(minutes, (after_ms - begin_ms) / 60_000)
    return begin_ms + 60_000 * minutes[place] if place < len(minutes) else None


def _around_change(cron: str, zone: tzinfo, day: date) -> Iterator[int]:
    """Yield what is due on a day on which clocks are changed, in any order.

    As Debian's cron does: fixed times come once, if need be with the first minute that exists; what comes every so many
    minutes or hours goes by the clock.
    """
    parts = _form_of(cron).parts
    is_fixed = not (parts[1].startswith("*") or parts[2].startswith("*"))
    for minute in _minutes_of_day(cron):
        wall = datetime.combine(day, time(minute // 60, minute % 60))
        early, late = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        is_there = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
        if is_there:
            yield _ms(early)
            if not is_fixed:
                yield _ms(late)
        elif is_fixed:
            yield _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: tzinfo) -> int:
    while True:
        wall += timedelta(minutes=1)
        real = wall.replace(tzinfo=zone)
        if real.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall:
            return _ms(real)


@lru_cache(maxsize=1000)
def _form_of(cron: str) -> CronSim:
    # Only what it has read of the expression is used: its own iteration misses times where clocks are changed by half
    # an hour, and comes to one instant twice where they are set forward.
    return CronSim(cron, _EPOCH)


@lru_cache(maxsize=1000)
def _minutes_of_day(cron: str) -> list[int]:
    form = _form_of(cron)
    return sorted(60 * hour + minute for hour in form.hours for minute in form.minutes)


def _ms(instant: datetime) -> int:
    # Of aware times in one zone the difference would be that of their clocks.
    return (instant.astimezone(UTC) - _EPOCH) // _MS
