"""`jobworker healthcheck`: whether a part on this machine is well, for containers and monitors."""

from pathlib import Path
from typing import Any, Final

import click

from jobworker.cli.address import url_of
from jobworker.cli.errors import Failed
from jobworker.cli.options import with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded

#: A supervisor beats every second; one that was silent for so long is stuck.
STALE_SECONDS: Final = 10.0
API_SECONDS: Final = 3.0

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def healthcheck() -> None:
    """Tell whether a part on this machine is well: exit code 0, or 1 with one sentence."""


@healthcheck.command("supervisor")
@_JSON
@with_settings("supervisor.name", "state")
def supervisor_(loaded: Loaded, as_json: bool) -> None:
    """Look whether the supervisor's loop turns. Redis may be away: a restart would not bring it back."""
    from jobworker.supervisor.beatfile import BeatFile
    from jobworker.supervisor.files import beat_file

    name = loaded.settings.supervisor.name
    path = beat_file(Path(loaded.settings.state.dir), name)
    beat = BeatFile(path).read()
    if beat is None:
        raise Failed(f"no supervisor {name} runs here: there is no {path}; --name and --state-dir say which is meant")
    if not 0 <= beat.age_seconds < STALE_SECONDS:
        age = f"{beat.age_seconds:.0f} s ago" if beat.age_seconds > 0 else "before the machine started"
        raise Failed(f"supervisor {name} (pid {beat.pid}) is dead or stuck: its last sign of life was {age}")
    if as_json:
        age_seconds = round(beat.age_seconds, 3)
        print_json(
            {"name": name, "pid": beat.pid, "status": beat.status, "redis": beat.redis, "age_seconds": age_seconds}
        )
    else:
        click.echo(f"supervisor {name} (pid {beat.pid}): {printable(beat.status)}")


@healthcheck.command("api")
@_JSON
@with_settings("client.url", "api.listen")
def api_(loaded: Loaded, as_json: bool) -> None:
    """Ask the API whether it takes jobs, at --url, else where --listen says that it listens."""
    ready = _ask(_url(loaded))
    if as_json:
        print_json(ready)
    else:
        click.echo("; ".join(["the API takes jobs", *map(printable, ready.get("warnings", []))]))


def _url(loaded: Loaded) -> str:
    settings = loaded.settings
    return settings.client.url if loaded.sources["client.url"] != "default" else url_of(settings.api.listen)


def _ask(url: str) -> dict[str, Any]:
    from jobworker.cli.http import ApiClient
    from jobworker.store.settings import ClientSettings

    try:
        with ApiClient(ClientSettings(url=url, timeout=API_SECONDS)) as client:
            return client.get("/readyz")
    except click.ClickException as error:
        # Whatever it is: to Docker every code but 0 and 1 is reserved.
        raise Failed(error.message) from None
