"""What `jobworker up` is made of, and how it says so."""

import os
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from jobworker.api.listener import listen
from jobworker.cli.address import url_of
from jobworker.cli.child import start_child
from jobworker.cli.directory import StateDirectory
from jobworker.cli.embedded import EmbeddedServer, require_server
from jobworker.cli.ensemble import Ensemble
from jobworker.cli.errors import Failed
from jobworker.cli.http import ApiClient
from jobworker.cli.inbox import SignalInbox
from jobworker.cli.output import say
from jobworker.cli.parts import Part
from jobworker.store.configuration import Loaded, environment
from jobworker.store.settings import ClientSettings, Settings

#: How long the processes of a killed run may take to end before we give up, and how often we look.
EARLIER_RUN_SECONDS: Final = 15.0
EARLIER_RUN_POLL_SECONDS: Final = 0.05
#: What a part gets beyond its own grace before it is killed.
MARGIN_SECONDS: Final = 10.0
SERVER_PATIENCE_SECONDS: Final = 60.0
_PROBE_TIMEOUT_SECONDS: Final = 1.0


def own_command(name: str) -> list[str]:
    """Return how to run another command of ours.

    -P: a file of the user's, in the directory where we are started, must not stand in for a library's.
    """
    return [sys.executable, "-P", "-m", "jobworker.cli", name]


def run(
    loaded: Loaded,
    inbox: SignalInbox,
    *,
    owner_pid: int,
    supervisor_command: Sequence[str] = own_command("supervisor"),
    api_command: Sequence[str] = own_command("api"),
) -> int:
    """Run the server (unless a Redis is given), the API and a supervisor until asked to stop; return the exit code.

    `owner_pid` is the process that the user sees, and is told to look for when he starts another one.
    """
    settings = loaded.settings
    url = url_of(settings.api.listen)
    with closing(StateDirectory(Path(settings.state.dir), owner_pid)) as directory:
        _take(directory, inbox)
        _require_place(loaded)
        with _server(loaded, directory, inbox) as server:
            settings = _with_server(settings, server)
            environ = environment(settings, os.environ)
            parts = [
                *_server_parts(server),
                _part("api", api_command, environ, settings.api.grace),
                _part("supervisor", supervisor_command, environ, settings.supervisor.grace, _probe(url)),
            ]
            announce = partial(_announce, settings, server, url)
            return Ensemble(parts, inbox, announce=announce, clock=time.monotonic).run()


def _require_place(loaded: Loaded) -> None:
    """Raise Failed or ApiError if the API could not listen.

    Asked before anything is started: another API at this address would seem to be ours, and ready.
    """
    settings = loaded.settings
    if settings.api.listen.endswith(":0"):
        raise Failed("--listen needs a port that clients can be told, not 0")
    # What our own server holds cannot be asked before it runs: then the user has to say that there are keys.
    has_keys = partial(_has_keys, settings) if _redis_is_given(loaded) else lambda: False
    listen(settings.api, has_keys).close()


def _has_keys(settings: Settings) -> bool:
    # Imported where it is asked: it brings the whole API along.
    from jobworker.api.server import has_keys

    return has_keys(settings)


def _redis_is_given(loaded: Loaded) -> bool:
    return loaded.sources["redis.url"] != "default"


@contextmanager
def _server(
    loaded: Loaded, directory: StateDirectory, inbox: SignalInbox
) -> Generator[EmbeddedServer | None, None, None]:
    if _redis_is_given(loaded):
        yield None
        return
    with closing(EmbeddedServer(require_server(), directory.path, os.environ)) as server:
        _await(server.is_free, inbox, f"the server of an earlier run still uses {server.directory}")
        yield server


def _take(directory: StateDirectory, inbox: SignalInbox) -> None:
    def is_ours() -> bool:
        if taken := directory.take():
            return taken
        if directory.owner_lives():
            raise Failed(f"jobworker up is already running in {directory.path} (pid {directory.owner()})")
        return False

    _await(is_ours, inbox, f"the processes of a killed run (pid {directory.owner()}) still use {directory.path}")


def _await(condition: Callable[[], bool], inbox: SignalInbox, complaint: str) -> None:
    """Wait for what an earlier run leaves behind to end."""
    give_up_at = time.monotonic() + EARLIER_RUN_SECONDS
    while not condition():
        if time.monotonic() >= give_up_at:
            raise Failed(complaint)
        if inbox.wait(EARLIER_RUN_POLL_SECONDS) is not None:
            raise click.Abort


def _with_server(settings: Settings, server: EmbeddedServer | None) -> Settings:
    if server is None:
        return settings
    return msgspec.structs.replace(settings, redis=msgspec.structs.replace(settings.redis, url=server.url))


def _server_parts(server: EmbeddedServer | None) -> list[Part]:
    if server is None:
        return []
    return [
        Part(
            "server",
            server.spawn,
            clock=time.monotonic,
            patience_seconds=SERVER_PATIENCE_SECONDS,
            is_ready=server.answers,
            last_words=server.last_words,
        )
    ]


def _part(
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    grace_seconds: float,
    is_ready: Callable[[], bool] = lambda: True,
) -> Part:
    return Part(
        name,
        partial(start_child, command, environ=environ),
        clock=time.monotonic,
        patience_seconds=grace_seconds + MARGIN_SECONDS,
        is_ready=is_ready,
    )


def _probe(url: str) -> Callable[[], bool]:
    """Return what tells whether the API takes jobs and a supervisor is there to run them."""
    settings = ClientSettings(url=url, timeout=_PROBE_TIMEOUT_SECONDS)

    def is_ready() -> bool:
        try:
            with ApiClient(settings) as client:
                warnings = client.get("/readyz").get("warnings", [])
        except click.ClickException:
            return False
        return not any("no supervisor" in warning for warning in warnings)

    return is_ready


def _announce(settings: Settings, server: EmbeddedServer | None, url: str) -> None:
    supervisor = settings.supervisor
    handlers = ", ".join(supervisor.handlers) or "the built-in ones (--handlers FILE adds yours)"
    where = f"{server.program.name}, data in {server.directory}" if server else "the Redis that you named"
    say(
        f"jobworker is up\n"
        f"  server      {where}\n"
        f"  supervisor  {supervisor.name}, workers: {supervisor.workers}, handlers: {handlers}\n"
        f"{_gap(settings)}"
        f"  api         {url}\n"
        f"Try it:\n"
        f"  curl -X POST {url}/jobs -H 'Content-Type: application/json' -d '{{\"priority\": 5}}'\n"
        f"Ctrl-C drains and stops."
    )


def _gap(settings: Settings) -> str:
    served = [share.partition("=")[0] for share in settings.supervisor.queues]
    if not served or settings.jobs.queue in served:
        return ""
    return f"  queues      {', '.join(served)} alone: jobs that name no queue wait in {settings.jobs.queue}, unserved\n"
