"""A figure and what it is compared with: the one thing that every measurement yields and every table prints."""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

#: Takes how often to measure (rounds or jobs) and yields its figures as they come.
Measure = Callable[[int], Iterator["Row"]]

COLUMNS = ("what", "measured", "ratio to what", "asked")


class Row(Struct, frozen=True):
    """One figure of a run."""

    what: str
    #: None: what was waited for never came.
    value: float | None
    unit: str
    detail: str = ""
    #: What the figure is compared with, and the figure of that from the same run.
    against: str = ""
    base: float | None = None
    asked: str = ""
    #: Why this is a failure, where that can be said for sure; empty: it is none.
    failure: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of its columns."""
        measured = "never" if self.value is None else f"{_number(self.value)} {self.unit}".rstrip()
        return (self.what, f"{measured} ({self.detail})" if self.detail else measured, self._ratio(), self.asked)

    def _ratio(self) -> str:
        if not self.value or not self.base or self.value < 0:
            return ""
        return f"{_number(self.value / self.base)} times {self.against} ({_number(self.base)} {self.unit})"


def timings(what: str, milliseconds: Sequence[float], **more: Any) -> Row:
    """Return the row of a series: its median, and in words its size, least, 99th percentile and most."""
    ordered = sorted(milliseconds)
    least, p99, most = (_number(ordered[round(share * (len(ordered) - 1))]) for share in (0, 0.99, 1))
    detail = f"n={len(ordered)}, least {least}, p99 {p99}, most {most}"
    return Row(what, statistics.median(ordered), "ms", detail, **more)


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a table."""
    lines = (COLUMNS, ["---"] * len(COLUMNS), *(row.cells for row in rows))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def show(row: Row) -> None:
    """Print a row in columns."""
    what, measured, ratio, asked = row.cells
    print(f"{what:<50}  {measured:<62}  {ratio:<48}  {asked}".rstrip(), flush=True)


def main(measure: Measure, count: int) -> None:
    """Print what is measured, row by row; the command's argument takes the place of `count`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", nargs="?", type=int, default=count, help="rounds, jobs or seconds (%(default)s)")
    rows = []
    for row in measure(parser.parse_args().count):
        show(row)
        rows.append(row)
    exit_if_failed(rows)


def exit_if_failed(rows: Iterable[Row]) -> None:
    """End with code 1 and the failures on stderr, if there is any."""
    if failures := [row.failure for row in rows if row.failure]:
        sys.exit("\n".join(failures))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
