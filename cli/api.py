"""`jobworker api`: the HTTP API."""

import click

from jobworker.cli.options import with_settings
from jobworker.store.configuration import Loaded


@click.command()
@with_settings("redis", "jobs", "api", "log")
def api(loaded: Loaded) -> None:
    """Run the HTTP API."""
    from jobworker.api.server import serve
    from jobworker.cli.logs import start_logs

    start_logs(loaded)
    serve(loaded.settings)
