"""`jobworker pause` and `jobworker resume`."""

from typing import Any

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded

_QUEUE = click.option("--queue", metavar="NAME", help="Only this queue; without: everything.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")


@click.command()
@_QUEUE
@click.option("--reason", metavar="TEXT", help="Shown to who asks why nothing runs.")
@_JSON
@with_settings("client")
def pause(loaded: Loaded, queue: str | None, reason: str | None, as_json: bool) -> None:
    """Start no more jobs; those that run go on."""
    _ask(loaded, "/jobs/pause", {"queue": queue, "reason": reason}, as_json=as_json)


@click.command()
@_QUEUE
@_JSON
@with_settings("client")
def resume(loaded: Loaded, queue: str | None, as_json: bool) -> None:
    """Start jobs again. Without --queue this lifts the pause of everything; pauses of queues stay."""
    _ask(loaded, "/jobs/resume", {"queue": queue}, as_json=as_json)


def describe_pause(pause: dict[str, Any]) -> str:
    """Return the pause of a queue, as the API shows it, in words."""
    what = "" if pause["queue"] else "everything, "
    why = f": {pause['reason']}" if pause["reason"] else ""
    return f"{what}since {pause['since']}, by {pause['who']}{why}"


def _ask(loaded: Loaded, path: str, body: dict[str, Any], *, as_json: bool) -> None:
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        answer = client.post(path, {name: value for name, value in body.items() if value is not None})
    if as_json:
        print_json(answer)
    else:
        where = f" in queue {answer['queue']}" if answer["queue"] else ""
        click.echo(printable(f"{answer['message']}{where}"))
