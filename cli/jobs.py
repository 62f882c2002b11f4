"""`jobworker jobs`: a list of jobs."""

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.cli.table import Column, show
from jobworker.store.configuration import Loaded

DEFAULT_LIMIT: Final = 50
#: A reason that is longer is for `jobworker job`.
REASON_CHARACTERS: Final = 60


def _reason(job: dict[str, Any]) -> str:
    error = job.get("error")
    return str(job.get("reason") or (f"{error['type']}: {error['message']}" if error else ""))[:REASON_CHARACTERS]


def _field(name: str) -> Callable[[dict[str, Any]], str]:
    # Null, where the job's record in Redis is damaged.
    return lambda job: "-" if job[name] is None else str(job[name])


_COLUMNS: Final = (
    Column("ID", lambda job: str(job["id"])),
    Column("STATUS", lambda job: str(job["status"])),
    Column("TYPE", _field("type")),
    Column("QUEUE", _field("queue")),
    Column("PRIORITY", _field("priority"), right=True),
    Column("CREATED", _field("created_at")),
    Column("ENDED", lambda job: str(job["ended_at"] or "")),
    Column("REASON", _reason),
)


@click.command()
@click.option(
    "--status", metavar="STATUS", help="scheduled, pending, running, succeeded, failed, cancelled or expired."
)
@click.option("--type", "type_", metavar="TYPE", help="Only jobs of this type.")
@click.option("--queue", metavar="NAME", help="Only jobs of this queue.")
@click.option("--tag", metavar="TAG", help="Only jobs with this tag.")
@click.option("--created-after", metavar="TIME", help="Only jobs from then on (RFC 3339, with offset).")
@click.option("--created-before", metavar="TIME", help="Only jobs until just before then.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help=f"At most so many.  [default: {DEFAULT_LIMIT}]")
@click.option("--all", "everything", is_flag=True, help="However many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print each job as a line of JSON.")
@with_settings("client")
def jobs(
    loaded: Loaded,
    *,
    status: str | None,
    type_: str | None,
    queue: str | None,
    tag: str | None,
    created_after: str | None,
    created_before: str | None,
    limit: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    """List jobs: what waits in the order in which it would run, all else newest first."""
    from jobworker.cli.http import ApiClient

    if everything and limit is not None:
        raise click.UsageError("--all goes not with --limit")
    warn(loaded)
    asked = {"status": status, "type": type_, "queue": queue, "tag": tag}
    asked |= {"created_after": created_after, "created_before": created_before}
    filters = {name: value for name, value in asked.items() if value is not None}
    most = None if everything else limit or DEFAULT_LIMIT
    with ApiClient(loaded.settings.client) as client:
        if as_json:
            for job in client.jobs(filters, most):
                print_json(job)
            return
        found = client.jobs(filters, None if most is None else most + 1)
        show(_COLUMNS, islice(found, most))
        if next(found, None) is not None:
            click.echo("jobworker: there are more; --limit N or --all shows them", err=True)
