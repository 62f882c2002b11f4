"""`jobworker config`: the settings in force and where each came from."""

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded, value_of
from jobworker.store.setting import SETTINGS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(*{setting.section for setting in SETTINGS.values()})
def config(loaded: Loaded, as_json: bool) -> None:
    """Print the settings in force and where each came from; passwords are masked."""
    warn(loaded)
    values = {name: setting.masked(value_of(loaded.settings, setting)) for name, setting in SETTINGS.items()}
    if as_json:
        print_json({name: {"value": value, "source": loaded.sources[name]} for name, value in values.items()})
        return
    rows = [(name, SETTINGS[name].to_text(value), loaded.sources[name]) for name, value in values.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, text, source in rows:
        click.echo(f"{name:<{widths[0]}}  {text:<{widths[1]}}  {source}")
