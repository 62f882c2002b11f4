"""Lists as tables: by rich on a terminal, else aligned columns that other tools can cut."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import Struct

from jobworker.cli.output import printable

if TYPE_CHECKING:
    from rich.table import Table

#: Wider than any row.
_WIDE: Final = 10_000
#: A cell is one line.
_ONE_LINE: Final = str.maketrans("\n\t", "  ")


class Column(Struct, frozen=True):
    """One column: its title, and how its cell reads for an item of the API's answer."""

    title: str
    text: Callable[[dict[str, Any]], str]
    #: Numbers stand at the right, so that their digits align.
    right: bool = False
    #: Sentences may go on in the next line; whatever else is broken cannot be copied.
    wraps: bool = False


def show(columns: Sequence[Column], items: Iterable[dict[str, Any]]) -> None:
    """Print the items as a table."""
    rows = rows_of(columns, items)
    if sys.stdout.isatty():
        _show_styled(columns, rows)
    else:
        click.echo("\n".join(plain_lines(columns, rows)))


def rows_of(columns: Sequence[Column], items: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return the cells of the items."""
    return [[_cell(column, item) for column in columns] for item in items]


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the titles and the rows, aligned with blanks."""
    lines = [[column.title for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    marks = [">" if column.right else "<" for column in columns]
    return [
        "  ".join(f"{cell:{mark}{width}}" for cell, mark, width in zip(line, marks, widths, strict=True)).rstrip()
        for line in lines
    ]


def styled_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> "Table":
    """Return the titles and the rows as rich shows them."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.wraps)
    for row in rows:
        # Not bare strings: rich would read [brackets] as its markup.
        table.add_row(*map(Text, row))
    return table


def _show_styled(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console

    # Without sentences a row is one line, which the terminal breaks where it ends.
    width = None if any(column.wraps for column in columns) else _WIDE
    Console(width=width).print(styled_table(columns, rows))


def _cell(column: Column, item: dict[str, Any]) -> str:
    return printable(column.text(item)).translate(_ONE_LINE)
