"""How the sums of attempts look in an answer; what is absent is null."""

from collections.abc import Mapping

from msgspec import Struct

from jobworker.api.views import format_instant
from jobworker.store.stats import Period, Sums


class SumsView(Struct, frozen=True):
    """Of the attempts of one type; `*`: of all types that have no sums of their own."""

    type: str
    runs: int
    #: How many attempts came to each outcome.
    outcomes: Mapping[str, int]
    wall_seconds: float
    mean_wall_seconds: float
    cpu_user_seconds: float
    cpu_system_seconds: float
    #: The greatest of one attempt.
    peak_rss_bytes: int | None


class PeriodView(Struct, frozen=True):
    """The sums of some time until now."""

    since: str
    until: str
    types: list[SumsView]


class StatsView(Struct, frozen=True):
    """The last hour, by minutes; the last day, by hours."""

    hour: PeriodView
    day: PeriodView


def view_stats(hour: Period, day: Period) -> StatsView:
    """Show both."""
    return StatsView(_view_period(hour), _view_period(day))


def _view_period(period: Period) -> PeriodView:
    until = format_instant(period.until_ms)
    return PeriodView(format_instant(period.since_ms), until, list(map(_view_sums, period.types)))


def _view_sums(sums: Sums) -> SumsView:
    return SumsView(
        type=sums.type,
        runs=sums.runs,
        outcomes=sums.outcomes,
        wall_seconds=sums.wall_us / 1e6,
        mean_wall_seconds=sums.wall_us / 1e6 / max(1, sums.runs),
        cpu_user_seconds=sums.cpu_user_us / 1e6,
        cpu_system_seconds=sums.cpu_system_us / 1e6,
        peak_rss_bytes=sums.peak_rss_bytes or None,
    )
