"""`jobworker watch`: queues, workers and what jobs came to, again and again."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import Struct

from jobworker.cli.errors import NotReachable, Unavailable
from jobworker.cli.fleet import QUEUES, WORKERS
from jobworker.cli.options import finite, warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.cli.stats import COLUMNS
from jobworker.cli.table import Column, plain_lines, rows_of, styled_table
from jobworker.store.configuration import Loaded

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobworker.cli.http import ApiClient

#: What one look brings: title -> items, or why there are none.
Look = dict[str, list[dict[str, Any]]]


class Part(Struct, frozen=True):
    """One table: where its items are asked for, and how they are shown."""

    path: str
    items: Callable[[dict[str, Any]], list[dict[str, Any]]]
    columns: Sequence[Column]


_PARTS: Final = {
    "queues": Part("/queues", lambda answer: answer["items"], QUEUES),
    "workers": Part("/workers", lambda answer: answer["items"], WORKERS),
    "last hour": Part("/stats", lambda answer: answer["hour"]["types"], COLUMNS),
}


@click.command()
@click.option(
    "--every",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    callback=finite,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each look as one line.")
@with_settings("client")
def watch(loaded: Loaded, every: float, as_json: bool) -> None:
    """Show queues, workers and the last hour, until Ctrl-C."""
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        looks = _looks(client, every)
        if as_json:
            for look in looks:
                print_json({"error": look} if isinstance(look, str) else look)
        elif sys.stdout.isatty():
            show_live(looks)
        else:
            for look in looks:
                click.echo(f"{_plain(look)}\n")


def _looks(client: "ApiClient", every: float) -> Iterator[Look | str]:
    """Yield what there is, or why that cannot be told. Raises NotReachable if even the first look is in vain."""
    yield _look(client)
    while True:
        time.sleep(every)
        try:
            look: Look | str = _look(client)
        except (NotReachable, Unavailable) as error:
            look = error.message
        yield look


def _look(client: "ApiClient") -> Look:
    return {title: part.items(client.get(part.path)) for title, part in _PARTS.items()}


def _plain(look: Look | str) -> str:
    if isinstance(look, str):
        return printable(look)
    tables = [(title, plain_lines(part.columns, rows_of(part.columns, look[title]))) for title, part in _PARTS.items()]
    return "\n\n".join("\n".join([title, *lines]) for title, lines in tables)


def show_live(looks: Iterator[Look | str]) -> None:
    """Draw each look over the one before, on a terminal."""
    from rich.live import Live

    # In the terminal's second screen: what stood there before comes back.
    with Live(screen=True, auto_refresh=False) as live:
        for look in looks:
            live.update(_styled(look), refresh=True)


def _styled(look: Look | str) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    if isinstance(look, str):
        return Text(printable(look), style="red")
    parts: list[RenderableType] = []
    for title, part in _PARTS.items():
        parts += [Text(title, style="bold"), styled_table(part.columns, rows_of(part.columns, look[title])), Text("")]
    return Group(*parts)
