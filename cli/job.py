"""`jobworker job`: everything about one job."""

import sys
from typing import Any

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@with_settings("client")
def job(loaded: Loaded, job_id: str, as_json: bool) -> None:
    """Show a job: its state, its times, its attempts and what became of it."""
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        found: dict[str, Any] = client.get_job(job_id)
        if as_json:
            print_json(found)
            return
        waits = found["status"] in {"pending", "scheduled"}
        pause = client.get(f"/queues/{found['queue']}")["pause"] if waits else None
    from jobworker.cli.jobview import styled, text

    if sys.stdout.isatty():
        styled(found, pause)
    else:
        click.echo(text(found, pause))
