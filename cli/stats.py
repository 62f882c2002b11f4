"""`jobworker stats`: what attempts came to and cost, by type, as a table."""

from typing import Any, Final

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.cli.quantity import duration, size
from jobworker.cli.table import Column, show
from jobworker.store.configuration import Loaded


@click.command()
@click.option("--day", is_flag=True, help="Show the last 24 hours instead of the last one.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@with_settings("client")
def stats(loaded: Loaded, day: bool, as_json: bool) -> None:
    """List by type how often jobs were run, what came of it, and what it cost."""
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        answer = client.get("/stats")
    if as_json:
        print_json(answer)
    else:
        show(COLUMNS, answer["day" if day else "hour"]["types"])


def _outcomes(item: dict[str, Any]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in item["outcomes"].items())


def _peak(item: dict[str, Any]) -> str:
    return "-" if item["peak_rss_bytes"] is None else size(item["peak_rss_bytes"])


COLUMNS: Final = (
    Column("TYPE", lambda item: item["type"]),
    Column("RUNS", lambda item: str(item["runs"]), right=True),
    Column("MEAN", lambda item: duration(item["mean_wall_seconds"]), right=True),
    Column("WALL", lambda item: duration(item["wall_seconds"]), right=True),
    Column("CPU USER", lambda item: duration(item["cpu_user_seconds"]), right=True),
    Column("CPU SYSTEM", lambda item: duration(item["cpu_system_seconds"]), right=True),
    Column("PEAK", _peak, right=True),
    Column("OUTCOMES", _outcomes),
)
