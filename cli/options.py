"""Every setting as an option of the command line, generated from its declaration."""

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from jobworker.store.configuration import Loaded, load
from jobworker.store.setting import SETTINGS, Setting

#: Short names of options, beside the `--section-key` that every setting has.
ALIASES: Final = {
    "redis.url": "--redis",
    "supervisor.name": "--name",
    "supervisor.workers": "--workers",
    "supervisor.spares": "--spares",
    "supervisor.queues": "--queue",
    "supervisor.handlers": "--handlers",
    "supervisor.grace": "--grace",
    "api.listen": "--listen",
    "api.processes": "--processes",
    "api.threads": "--threads",
    "api.no_auth": "--no-auth",
    "client.url": "--url",
}

#: What `--help` shows in place of a value, where `VALUE` says too little.
METAVARS: Final = {
    "redis.url": "URL",
    "supervisor.name": "NAME",
    "supervisor.workers": "N|auto",
    "supervisor.spares": "N",
    "supervisor.queues": "NAME[=WEIGHT]",
    "supervisor.handlers": "MODULE|FILE",
    "api.listen": "HOST:PORT",
    "api.processes": "N|auto",
    "client.url": "URL",
    "state.dir": "DIR",
}


def with_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--config` and options; its first argument is what was `Loaded`.

    A name stands for all settings of a section, or for one, as `section.key`.
    """
    chosen = [setting for setting in SETTINGS.values() if setting.section in names or setting.name in names]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_loaded(config: Path | None, **given: Any) -> Any:
            overrides: dict[str, dict[str, object]] = {}
            for setting in chosen:
                value = given.pop(_parameter(setting))
                if value not in (None, ()):
                    overrides.setdefault(setting.section, {})[setting.key] = value
            return command(load(overrides, os.environ, config), **given)

        wrapped: Callable[..., Any] = with_loaded
        for setting in reversed(chosen):
            wrapped = _option(setting)(wrapped)
        return _CONFIG(wrapped)

    return decorate


def warn(loaded: Loaded) -> None:
    """Print what was ignored."""
    for warning in loaded.warnings:
        click.echo(f"jobworker: {warning}", err=True)


def finite(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse what is no number, or endless."""
    # JSON has no word for the others: they would go out as null, and mean "not given".
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("it must be a finite number")
    return value


_CONFIG: Final = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read settings from this file.  [JOBWORKER_CONFIG, else ./jobworker.toml if it exists]",
)


def _option(setting: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    names = [*filter(None, [ALIASES.get(setting.name)]), setting.option]
    if setting.is_flag:
        return click.option(*_flags(setting, names), _parameter(setting), default=None, help=_help(setting))
    return click.option(
        *names,
        _parameter(setting),
        callback=_reader(setting),
        multiple=setting.is_list,
        metavar=METAVARS.get(setting.name, "VALUE"),
        help=_help(setting),
    )


def _reader(setting: Setting) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return what checks the option's value here already, where click knows under which name it was given."""

    def read(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        try:
            return setting.from_texts(list(value)) if setting.is_list else setting.from_text(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


def _flags(setting: Setting, names: list[str]) -> list[str]:
    if not setting.default:
        return [*names[:-1], f"{names[-1]}/{setting.option.replace('--', '--not-', 1)}"]
    return [f"{name}/{name.replace('--', '--no-', 1)}" for name in names]


def _parameter(setting: Setting) -> str:
    return f"{setting.section}__{setting.key}"


def _help(setting: Setting) -> str:
    repeatable = "; may be given several times" if setting.is_list else ""
    default = setting.to_text(setting.default) or "none"
    return f"{setting.description[:1].upper()}{setting.description[1:]}{repeatable}.  [default: {default}]"
