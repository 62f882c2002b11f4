"""`jobworker key`: API keys, made and revoked in Redis itself, so that the first one can be made."""

import getpass
import platform
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from jobworker.api.scopes import Scope
from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json, printable
from jobworker.store.configuration import Loaded
from jobworker.store.limits import NAME_PATTERN

if TYPE_CHECKING:
    from jobworker.store.apikeys import ApiKey
    from jobworker.store.jobs import JobStore

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TERM: Final = re.compile(r"([1-9]\d{0,5})([smhd])\Z")


@click.group()
def key() -> None:
    """Make, list and revoke API keys. Once there is one, every request needs one."""


def _read_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.match(NAME_PATTERN, value):
        raise click.BadParameter("a letter or digit, then up to 127 letters, digits, '.', '_' or '-'")
    return value


def _read_term(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = _TERM.match(value)
    if found is None:
        raise click.BadParameter("a number and one of s, m, h, d, for example 90d")
    return int(found[1]) * _SECONDS[found[2]]


@key.command("create")
@click.argument("name", callback=_read_name)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may be used for; may be given several times. admin is all of them.",
)
@click.option("--expires", "term_seconds", metavar="TERM", callback=_read_term, help="For how long, for example 90d.")
@_JSON
@with_settings("redis")
def create(loaded: Loaded, name: str, scopes: tuple[str, ...], term_seconds: int | None, as_json: bool) -> None:
    """Make a key and print it; it cannot be shown again."""
    with _store(loaded) as store:
        made, token = store.api_keys.create(name, tuple(dict.fromkeys(scopes)), term_seconds)
        _note(store, f"key create {made.id}", f"{name}: {', '.join(made.scopes)}")
    if as_json:
        print_json({**_view(made), "token": token})
    else:
        click.echo(token)
        click.echo(f"{name}, for {', '.join(made.scopes)}. Keep it: it cannot be shown again.", err=True)


@key.command("list")
@_JSON
@with_settings("redis")
def list_(loaded: Loaded, as_json: bool) -> None:
    """List the keys, also those that are valid no more; nobody has their secrets."""
    from jobworker.cli.table import Column, show

    with _store(loaded) as store:
        found = store.api_keys.all()
    items = [_view(made) if made else {"id": key_id, "state": "damaged"} for key_id, made in sorted(found.items())]
    if as_json:
        print_json({"items": items})
        return
    names = ("id", "name", "scopes", "state", "created_at", "expires_at")
    show([Column(name.removesuffix("_at").upper(), _cell(name)) for name in names], items)


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@_JSON
@with_settings("redis")
def revoke(loaded: Loaded, key_id: str, as_json: bool) -> None:
    """Let nobody use a key any more; every API process knows within a second."""
    with _store(loaded) as store:
        revoked = store.api_keys.revoke(key_id)
        _note(store, f"key revoke {key_id}", revoked.name)
    if as_json:
        print_json(_view(revoked))
    else:
        click.echo(printable(f"{revoked.name} is revoked"))


@key.command("open")
@_JSON
@with_settings("redis")
def open_(loaded: Loaded, as_json: bool) -> None:
    """Let requests without a key in again: forget all keys, none of which may be valid any more."""
    with _store(loaded) as store:
        count = store.api_keys.forget()
        _note(store, "key open", f"keys forgotten: {count}")
    if as_json:
        print_json({"forgotten": count})
    else:
        click.echo("requests need no key, unless the API was told otherwise (api.auth) or listens beyond loopback")


@contextmanager
def _store(loaded: Loaded) -> "Generator[JobStore]":
    from jobworker.store.jobs import JobStore

    warn(loaded)
    redis = loaded.settings.redis
    retention = loaded.settings.jobs.retention
    store = JobStore.connect(redis.url, timeout_seconds=redis.timeout, prefix=redis.prefix, retention=retention)
    try:
        yield store
    finally:
        store.close()


def _note(store: "JobStore", what: str, detail: str) -> None:
    from jobworker.store.trail import Action

    store.trail.note(Action(who=f"cli {_user()}@{platform.node()}", what=what, detail=detail))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # In a container the number may have no name.
        return "?"


def _view(made: "ApiKey") -> dict[str, Any]:
    now_ms = 1000 * datetime.now(UTC).timestamp()
    state = "valid" if made.is_valid(now_ms) else "expired" if made.revoked_ms is None else "revoked"
    return {
        "id": made.id,
        "name": made.name,
        "scopes": list(made.scopes),
        "state": state,
        "created_at": _instant(made.created_ms),
        "expires_at": _instant(made.expires_ms),
        "revoked_at": _instant(made.revoked_ms),
    }


def _instant(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cell(name: str) -> Callable[[dict[str, Any]], str]:
    def text(item: dict[str, Any]) -> str:
        value: str | list[str] = item.get(name) or "-"
        return value if isinstance(value, str) else ", ".join(value)

    return text
