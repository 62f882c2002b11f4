"""`jobworker explain`: why a job is not running."""

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@with_settings("client")
def explain(loaded: Loaded, job_id: str, as_json: bool) -> None:
    """Say why a job is not running: its place in line, what stands in its way, when it would start."""
    from jobworker.cli.http import ApiClient, job_path

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        answer = client.get(f"{job_path(job_id)}/explain")
    if as_json:
        print_json(answer)
    else:
        click.echo(printable(answer["summary"]).replace("; ", "\n"))
