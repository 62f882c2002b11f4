"""`jobworker config`: the settings in force and where each came from."""

from pathlib import Path
from typing import Any

import click
import msgspec

from jobworker.cli.errors import Failed
from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.handlers.errors import LoadFailed
from jobworker.store.configuration import Loaded, value_of
from jobworker.store.setting import SETTINGS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(*{setting.section for setting in SETTINGS.values()})
def config(loaded: Loaded, as_json: bool) -> None:
    """Print the settings in force and where each came from; passwords are masked.

    Below them the handlers that .toml files declare, with headers and environment masked.
    """
    warn(loaded)
    values = {name: setting.masked(value_of(loaded.settings, setting)) for name, setting in SETTINGS.items()}
    tables = _handlers(loaded.settings.supervisor.handlers)
    if as_json:
        shown = {name: {"value": value, "source": loaded.sources[name]} for name, value in values.items()}
        print_json({**shown, **{name: {"value": table, "source": file} for name, table, file in tables}})
        return
    rows = [(name, SETTINGS[name].to_text(value), loaded.sources[name]) for name, value in values.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, text, source in rows:
        click.echo(f"{name:<{widths[0]}}  {text:<{widths[1]}}  {source}")
    for name, table, file in tables:
        click.echo(f"{name}  {msgspec.json.encode(table).decode()}  {file}")


def _handlers(names: tuple[str, ...]) -> list[tuple[str, dict[str, Any], str]]:
    """Return what files declare: name, table and file of each handler."""
    files = [name for name in names if name.endswith(".toml")]
    if not files:
        return []
    # Imported where there is one: few commands are slower than this one is then.
    from jobworker.handlers.foreign.tables import masked, read_tables

    try:
        return [
            (f"{section}.{handler_type}", masked(table), f"file {file}")
            for file in files
            for section, tables in read_tables(Path(file)).items()
            for handler_type, table in tables.items()
        ]
    except LoadFailed as error:
        raise Failed(str(error)) from None
