"""`jobworker audit`: who has done what."""

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Show so many, the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@with_settings("client")
def audit(loaded: Loaded, limit: int, as_json: bool) -> None:
    """List what operators and administrators have done lately, the newest first."""
    from jobworker.cli.http import ApiClient
    from jobworker.cli.table import Column, show

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        answer = client.get(f"/audit?limit={limit}")
    if as_json:
        print_json(answer)
        return
    columns = [
        Column("AT", lambda item: item["at"]),
        Column("WHO", lambda item: item["who"]),
        Column("WHAT", lambda item: item["what"]),
        Column("STATUS", lambda item: str(item["status"] or "-"), right=True),
        Column("DETAIL", lambda item: item["detail"], wraps=True),
    ]
    show(columns, answer["items"])
