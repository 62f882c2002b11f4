"""`jobworker queues`, `workers`, `handlers` and `supervisors`: who runs what, as tables."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.cli.pause import describe_pause
from jobworker.cli.quantity import duration, size
from jobworker.cli.table import Column, show
from jobworker.store.configuration import Loaded

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
#: What stands where there is nothing to say.
_NOTHING: Final = "-"


@click.command()
@_JSON
@with_settings("client")
def queues(loaded: Loaded, as_json: bool) -> None:
    """List the queues: what waits, since when, and who serves it."""
    _show(loaded, "/queues", QUEUES, as_json=as_json)


@click.command()
@_JSON
@with_settings("client")
def workers(loaded: Loaded, as_json: bool) -> None:
    """List the worker processes and what each runs now."""
    _show(loaded, "/workers", WORKERS, as_json=as_json)


@click.command()
@_JSON
@with_settings("client")
def supervisors(loaded: Loaded, as_json: bool) -> None:
    """List the supervisors that are alive."""
    _show(loaded, "/supervisors", _SUPERVISORS, as_json=as_json)


@click.command()
@_JSON
@with_settings("client")
def handlers(loaded: Loaded, as_json: bool) -> None:
    """List the types of jobs that the supervisors can run."""
    _show(loaded, "/handlers", _HANDLERS, as_json=as_json)


def _show(loaded: Loaded, path: str, columns: Sequence[Column], *, as_json: bool) -> None:
    from jobworker.cli.http import ApiClient

    warn(loaded)
    with ApiClient(loaded.settings.client) as client:
        answer = client.get(path)
    if as_json:
        print_json(answer)
    else:
        show(columns, answer["items"])


def _field(name: str, form: Callable[[Any], str] = str) -> Callable[[dict[str, Any]], str]:
    """Return what shows a field in this form, and a dash where it is null."""
    return lambda item: _NOTHING if item[name] is None else form(item[name])


def _of_job(name: str, form: Callable[[Any], str] = str) -> Callable[[dict[str, Any]], str]:
    """Return what shows a field of the job that a worker runs."""
    return lambda worker: _NOTHING if worker["job"] is None else form(worker["job"][name])


def _of_defaults(name: str, form: Callable[[Any], str] = str) -> Callable[[dict[str, Any]], str]:
    """Return what shows something a handler's declaration says; what it leaves open is a dash."""
    return lambda handler: form(handler["defaults"][name]) if name in handler["defaults"] else _NOTHING


def _priorities(counts: dict[str, int]) -> str:
    return " ".join(f"{priority}:{count}" for priority, count in counts.items()) or _NOTHING


def _names(names: Sequence[str]) -> str:
    return " ".join(names) or "nobody"


def _shares(shares: Sequence[dict[str, Any]]) -> str:
    return " ".join(_share(share) for share in shares) or "all"


def _share(share: dict[str, Any]) -> str:
    return share["name"] if share["weight"] is None else f"{share['name']}={share['weight']}"


def _timeout(seconds: float | None) -> str:
    return "none" if seconds is None else duration(seconds)


QUEUES: Final = (
    Column("QUEUE", _field("name")),
    Column("PENDING", _field("pending"), right=True),
    Column("OLDEST", _field("oldest_seconds", duration), right=True),
    Column("BY PRIORITY", _field("by_priority", _priorities)),
    Column("SERVED BY", _field("supervisors", _names)),
    Column("PAUSED", _field("pause", describe_pause)),
)
WORKERS: Final = (
    Column("SUPERVISOR", _field("supervisor")),
    Column("PID", _field("pid"), right=True),
    Column("STATE", _field("state")),
    Column("JOB", _of_job("id")),
    Column("TYPE", _of_job("type")),
    Column("ATTEMPT", _of_job("attempt"), right=True),
    Column("FOR", _of_job("run_seconds", duration), right=True),
    Column("RSS", _field("rss_bytes", size), right=True),
    Column("CPU", _field("cpu_seconds", duration), right=True),
    Column("JOBS", _field("jobs"), right=True),
)
_SUPERVISORS: Final = (
    Column("SUPERVISOR", _field("name")),
    Column("HOST", _field("host")),
    Column("PID", _field("pid"), right=True),
    Column("VERSION", _field("version")),
    Column("RUNNING", _field("running"), right=True),
    Column("WORKERS", _field("workers"), right=True),
    Column("RESTARTS", _field("restarts"), right=True),
    Column("QUEUES", _field("queues", _shares)),
    Column("STARTED", _field("started_at")),
    Column("HEARD", _field("heard_at")),
)
_HANDLERS: Final = (
    Column("TYPE", _field("type")),
    Column("QUEUE", _of_defaults("queue")),
    Column("PRIORITY", _of_defaults("priority"), right=True),
    Column("TIMEOUT", _of_defaults("timeout", _timeout), right=True),
    Column("ATTEMPTS", _of_defaults("max_attempts"), right=True),
    Column("SEEN", _field("seen_at")),
    Column("DESCRIPTION", _field("description")),
)
