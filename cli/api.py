"""`jobworker api`: the HTTP API."""

import click

from jobworker.cli.options import with_settings
from jobworker.store.configuration import Loaded


@click.command()
@with_settings("redis", "jobs", "api", "log")
def api(loaded: Loaded) -> None:
    """Run the HTTP API."""
    from jobworker.cli.logs import start_logs  # isort: skip - first, as it says
    from jobworker.api.server import serve

    start_logs(loaded)
    serve(loaded.settings)
