"""`jobworker stack`, `jobworker scale` and `jobworker drain`: what a supervisor is asked while it runs."""

from typing import Any
from urllib.parse import quote

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
_NAME = click.argument("name", metavar="NAME")


@click.command()
@click.argument("job_id", metavar="ID")
@_JSON
@with_settings("client")
def stack(loaded: Loaded, job_id: str, as_json: bool) -> None:
    """Show where a running job is: the Python stacks of its worker. The job goes on."""
    from jobworker.cli.http import job_path

    answer = _post(loaded, f"{job_path(job_id)}/stack", {})
    _show(answer, answer["stack"] or f"no stack: {answer['no_stack']}", as_json=as_json)


@click.command()
@_NAME
@click.argument("workers", metavar="N", type=click.IntRange(1, 1000))
@_JSON
@with_settings("client")
def scale(loaded: Loaded, name: str, workers: int, as_json: bool) -> None:
    """Let a supervisor run N jobs at once, until it is started anew. What runs is not interrupted."""
    answer = _post(loaded, f"/supervisors/{quote(name, safe='')}/scale", {"workers": workers})
    _show(answer, f"{answer['name']} asked for {answer['workers']} workers", as_json=as_json)


@click.command()
@_NAME
@click.option("--reason", metavar="TEXT", help="Shown in the supervisor's log.")
@_JSON
@with_settings("client")
def drain(loaded: Loaded, name: str, reason: str | None, as_json: bool) -> None:
    """Let a supervisor end: it claims nothing more, and what runs may end within its grace period."""
    body = {} if reason is None else {"reason": reason}
    answer = _post(loaded, f"/supervisors/{quote(name, safe='')}/drain", body)
    _show(answer, f"{answer['name']} asked to drain", as_json=as_json)


def _post(loaded: Loaded, path: str, body: dict[str, Any]) -> dict[str, Any]:
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        return client.post(path, body)


def _show(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    print_json(answer) if as_json else click.echo(printable(text))
