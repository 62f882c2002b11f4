"""`jobworker schedules` and `jobworker schedule …`: jobs by the clock, listed, put, paused and triggered."""

from typing import Any, Final
from urllib.parse import quote

import click
import msgspec

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.cli.table import Column, show
from jobworker.store.configuration import Loaded

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
_NAME: Final = click.argument("name", metavar="NAME")


def _when(schedule: dict[str, Any]) -> str:
    if schedule["cron"] is not None:
        return f"{schedule['cron']} {schedule['timezone'] or ''}".rstrip()
    return f"every {schedule['every']:g} s" if schedule["every"] is not None else f"at {schedule['at']}"


def _state(schedule: dict[str, Any]) -> str:
    if schedule["paused_since"] is not None:
        why = f": {schedule['pause_reason']}" if schedule["pause_reason"] else ""
        return f"paused by {schedule['paused_by']}{why}"
    return schedule["last_error"] or ""


_COLUMNS: Final = (
    Column("SCHEDULE", lambda schedule: schedule["name"]),
    Column("WHEN", _when),
    Column("TYPE", lambda schedule: schedule["job"].get("type") or "-"),
    Column("NEXT", lambda schedule: schedule["next_due"] or "-"),
    Column("LAST", lambda schedule: schedule["last_fired"] or "-"),
    Column("LAST JOB", lambda schedule: schedule["last_job"] or "-"),
    Column("TROUBLE", _state),
)


@click.command()
@_JSON
@with_settings("client")
def schedules(loaded: Loaded, as_json: bool) -> None:
    """List the schedules: when each is due, and what came of it last."""
    answer = _ask(loaded, "GET", "/schedules")
    if as_json:
        print_json(answer)
    else:
        show(_COLUMNS, answer["items"])


@click.group()
def schedule() -> None:
    """Show, put, pause, resume, trigger or delete one schedule."""


@schedule.command("show")
@_NAME
@click.option("--preview", type=click.IntRange(0, 100), default=5, metavar="N", help="Its next N times.  [default: 5]")
@_JSON
@with_settings("client")
def show_one(loaded: Loaded, name: str, preview: int, as_json: bool) -> None:
    """Show a schedule, and when it is due next."""
    answer = _ask(loaded, "GET", f"{_path(name)}?preview={preview}")
    if as_json:
        print_json(answer)
        return
    show(_COLUMNS, [answer])
    for instant in answer.get("preview") or ():
        click.echo(instant)


@schedule.command()
@_NAME
@click.argument("body", metavar="JSON")
@_JSON
@with_settings("client")
def put(loaded: Loaded, name: str, body: str, as_json: bool) -> None:
    """Create or replace a schedule: '{"cron": "0 3 * * *", "job": {…}}', all as for PUT /schedules/NAME."""
    try:
        wanted = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise click.UsageError(f"JSON is none: {error}") from None
    _tell(_ask(loaded, "PUT", _path(name), wanted), f"{name} is put", as_json=as_json)


@schedule.command()
@_NAME
@click.option("--reason", metavar="TEXT", help="Shown to who asks why it does not fire.")
@_JSON
@with_settings("client")
def pause(loaded: Loaded, name: str, reason: str | None, as_json: bool) -> None:
    """Let a schedule fire no more; what would be due meanwhile is skipped."""
    body = {} if reason is None else {"reason": reason}
    _tell(_ask(loaded, "POST", f"{_path(name)}/pause", body), f"{name} is paused", as_json=as_json)


@schedule.command()
@_NAME
@_JSON
@with_settings("client")
def resume(loaded: Loaded, name: str, as_json: bool) -> None:
    """Let a schedule fire again."""
    _tell(_ask(loaded, "POST", f"{_path(name)}/resume", {}), f"{name} goes on", as_json=as_json)


@schedule.command()
@_NAME
@_JSON
@with_settings("client")
def trigger(loaded: Loaded, name: str, as_json: bool) -> None:
    """Submit the job of a schedule now, whenever it is due; print the job's id."""
    answer = _ask(loaded, "POST", f"{_path(name)}/trigger", {})
    _tell(answer, str(answer["id"]), as_json=as_json)


@schedule.command()
@_NAME
@with_settings("client")
def delete(loaded: Loaded, name: str) -> None:
    """Delete a schedule; its jobs stay."""
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        client.delete(_path(name))


def _path(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"


def _ask(loaded: Loaded, method: str, path: str, body: object = None) -> dict[str, Any]:
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        if method == "GET":
            return client.get(path)
        return client.put(path, body) if method == "PUT" else client.post(path, body)


def _tell(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    print_json(answer) if as_json else click.echo(printable(text))
