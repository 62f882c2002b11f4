"""`jobworker cancel`, `jobworker retry` and `jobworker delete`: what can be done with the end of jobs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobworker.cli.errors import NotReachable, Refused
from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded

if TYPE_CHECKING:
    from jobworker.cli.http import ApiClient

_IDS = click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print an answer for each job, a line of JSON.")

Answer = dict[str, Any]


@click.command()
@_IDS
@click.option("--reason", metavar="TEXT", help="Shown to who asks why they were cancelled.")
@_JSON
@with_settings("client")
def cancel(loaded: Loaded, job_ids: Sequence[str], reason: str | None, as_json: bool) -> int:
    """Cancel jobs: those that wait at once; those that run are killed, with all that they started."""
    body = {} if reason is None else {"reason": reason}
    return _for_each(loaded, job_ids, lambda client, path: client.post(f"{path}/cancel", body), as_json=as_json)


@click.command()
@_IDS
@_JSON
@with_settings("client")
def retry(loaded: Loaded, job_ids: Sequence[str], as_json: bool) -> int:
    """Run ended jobs again, as if they were new."""
    return _for_each(loaded, job_ids, lambda client, path: client.post(f"{path}/retry", {}), as_json=as_json)


@click.command()
@_IDS
@_JSON
@with_settings("client")
def delete(loaded: Loaded, job_ids: Sequence[str], as_json: bool) -> int:
    """Forget ended jobs."""
    return _for_each(loaded, job_ids, _delete, as_json=as_json)


def _delete(client: "ApiClient", path: str) -> Answer:
    client.delete(path)
    return {"status": "deleted"}


def _for_each(
    loaded: Loaded, job_ids: Sequence[str], ask: Callable[["ApiClient", str], Answer], *, as_json: bool
) -> int:
    """Ask for every job, whatever becomes of the others; return the worst exit code."""
    from jobworker.cli.http import ApiClient, job_path

    warn(loaded)
    worst = 0
    with ApiClient(loaded.settings.client) as client:
        for job_id in job_ids:
            try:
                answer = {"id": job_id, **ask(client, job_path(job_id))}
            except (Refused, NotReachable) as error:
                click.echo(f"jobworker: {printable(f'{job_id}: {error.message}')}", err=True)
                worst = max(worst, error.exit_code)
                continue
            print_json(answer) if as_json else click.echo(_line(answer))
    return worst


def _line(answer: Answer) -> str:
    asked = ", asked to end" if answer["status"] == "running" and answer.get("cancel_requested_at") else ""
    return printable(f"{answer['id']} {answer['status']}{asked}")
