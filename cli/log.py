"""`jobworker log`: what a job has printed."""

import sys

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on with what it prints, until it has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print each piece as a line of JSON, with its time and attempt.")
@with_settings("client")
def log(loaded: Loaded, job_id: str, *, follow: bool, as_json: bool) -> None:
    """Show what a job has printed: of much the first 64 KiB and the last 192 KiB, over all its attempts.

    A line says where something is left out, and where another attempt begins to print. What is no UTF-8 is replaced;
    `GET /jobs/ID/log` has the bytes, and these lines between them.
    """
    from jobworker.cli.following import LogReader, Page
    from jobworker.cli.http import ApiClient

    warn(loaded)
    show = print_json if as_json else Page(sys.stdout).show
    with ApiClient(loaded.settings.client) as client:
        reader = LogReader(client, job_id)
        for item in reader.follow() if follow else reader.read():
            show(item)
