"""Where settings come from, in this order: the command line, the environment, a file, the defaults."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from jobworker.store.errors import BadSetting
from jobworker.store.setting import SETTINGS, Setting
from jobworker.store.settings import Settings

PREFIX: Final = "JOBWORKER_"
FILE_VARIABLE: Final = "JOBWORKER_CONFIG"
DEFAULT_FILE: Final = Path("jobworker.toml")

#: Says that `jobworker up` started this process, and has already said what it ignores.
PART_VARIABLE: Final = "JOBWORKER_PART"

#: Says that a job's program runs here: its environment is the supervisor's, which has said what it ignores.
JOB_VARIABLE: Final = "JOBWORKER_JOB_ID"

#: Sections of the file that are no settings but handlers; workers read them, each time they start.
HANDLER_SECTIONS: Final = frozenset({"exec", "http"})

#: Ours, though no settings: besides those above what marks a job's processes, and what the tests are told.
_OURS: Final = re.compile(r"JOBWORKER_(CONFIG|PART|TREE|TEST_\w+)\Z")
#: Kubernetes gives every container such variables for each Service; for one named `jobworker-api` they look like ours.
_OF_A_SERVICE: Final = re.compile(r"\w+_SERVICE_\w+|\w+_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?\Z")
_ADDRESS_OF_A_SERVICE: Final = re.compile(r"(tcp|udp|sctp)://")

#: Read from a file that `<variable>_FILE` names, as Docker and Kubernetes hand secrets out.
_SECRETS: Final = {f"{setting.variable}_FILE": setting for setting in SETTINGS.values() if setting.is_secret}
_VARIABLES: Final = {setting.variable: setting for setting in SETTINGS.values()}


class Loaded(Struct, frozen=True):
    """The settings in force, where each came from (by `section.key`), and what was ignored."""

    settings: Settings
    sources: dict[str, str]
    warnings: list[str]


class _Found(Struct, frozen=True):
    value: Any
    source: str
    #: The setting's name in the form in which the user gave it.
    given_as: str


def load(overrides: Mapping[str, Mapping[str, object]], environ: Mapping[str, str], file: Path | None) -> Loaded:
    """Return the settings in force. Raises BadSetting."""
    path = _chosen_file(environ, file)
    document = _parsed(path) if path else {}
    found = {
        **_from_file(path, document),
        **_from_environment(environ),
        **_from_overrides(overrides),
    }
    if path and not HANDLER_SECTIONS.isdisjoint(document):
        _add_handlers(found, path)
    settings = _assembled(found)
    _check_beat(settings, found)
    sources = {name: found[name].source if name in found else "default" for name in SETTINGS}
    return Loaded(settings, sources, _warnings(environ))


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for a process of ours that is to run with exactly these settings."""
    foreign = {name: value for name, value in environ.items() if name not in _VARIABLES and name not in _SECRETS}
    ours = {setting.variable: setting.to_text(value_of(settings, setting)) for setting in SETTINGS.values()}
    # An empty file: what ./jobworker.toml says is part of the settings already, as it was when they were read.
    return {**foreign, **ours, FILE_VARIABLE: "/dev/null", PART_VARIABLE: "1"}


def value_of(settings: Settings, setting: Setting) -> Any:
    """Return the value that a setting has."""
    return getattr(getattr(settings, setting.section), setting.key)


def _assembled(found: Mapping[str, _Found]) -> Settings:
    sections: dict[str, dict[str, Any]] = {}
    for name, hit in found.items():
        setting = SETTINGS[name]
        sections.setdefault(setting.section, {})[setting.key] = hit.value
    return msgspec.convert(sections, Settings)


def _check_beat(settings: Settings, found: Mapping[str, _Found]) -> None:
    supervisor = settings.supervisor
    if supervisor.beat * 3 <= supervisor.lease:
        return
    hit = found.get("supervisor.beat") or found["supervisor.lease"]
    raise BadSetting(
        hit.given_as,
        f"the lease ({supervisor.lease} s) must be at least three times the beat ({supervisor.beat} s)",
    )


def _from_overrides(overrides: Mapping[str, Mapping[str, object]]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for section, keys in overrides.items():
        for key, value in keys.items():
            setting = SETTINGS[f"{section}.{key}"]
            found[setting.name] = _checked(setting, value, setting.option, "command line")
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for variable, setting in _VARIABLES.items():
        if variable in environ and not _is_foreign(variable, environ[variable]):
            found[setting.name] = _read(setting, environ[variable], variable)
    for variable, setting in _SECRETS.items():
        if variable in environ:
            if setting.name in found:
                raise BadSetting(variable, f"{setting.variable} is given too; give one of them")
            found[setting.name] = _read(setting, _secret(variable, Path(environ[variable])), variable)
    return found


def _read(setting: Setting, text: str, variable: str) -> _Found:
    try:
        return _Found(setting.from_text(text), f"environment {variable}", variable)
    except ValueError as error:
        raise BadSetting(variable, str(error)) from None


def _secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(variable, f"{path} cannot be read: {_reason(error)}") from None


def _chosen_file(environ: Mapping[str, str], file: Path | None) -> Path | None:
    if file is not None:
        return file
    if FILE_VARIABLE in environ:
        return Path(environ[FILE_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _from_file(path: Path | None, document: Mapping[str, Any]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    sections = {setting.section for setting in SETTINGS.values()}
    for section, keys in document.items():
        if section in HANDLER_SECTIONS:
            continue
        _require_known(f"[{section}] in {path}", section, sections | HANDLER_SECTIONS)
        if not isinstance(keys, dict):
            raise BadSetting(f"{section} in {path}", f"it is a section; write [{section}] and its keys below")
        found.update(_from_section(path, section, cast("dict[str, object]", keys)))
    return found


def _add_handlers(found: dict[str, _Found], path: Path) -> None:
    """Let the file itself be one more file of handlers, whoever names the others."""
    name, source = "supervisor.handlers", f"file {path}"
    others = found.get(name)
    if others is None:
        found[name] = _Found((str(path.resolve()),), source, name)
        return
    told = others.source if others.source == source else f"{others.source}, {source}"
    found[name] = _Found((*others.value, str(path.resolve())), told, others.given_as)


def _from_section(path: Path | None, section: str, keys: Mapping[str, object]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for key, value in keys.items():
        given_as = f"[{section}] {key} in {path}"
        _require_known(given_as, f"{section}.{key}", SETTINGS)
        setting = SETTINGS[f"{section}.{key}"]
        found[setting.name] = _checked(setting, value, given_as, f"file {path}")
    return found


def _parsed(path: Path) -> dict[str, Any]:
    # Imported where there is a file: every command comes through here, and few have one.
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(str(path), f"cannot be read: {_reason(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(str(path), f"is not TOML: {error}") from None


def _checked(setting: Setting, value: object, given_as: str, source: str) -> _Found:
    try:
        return _Found(setting.from_value(value), source, given_as)
    except ValueError as error:
        raise BadSetting(given_as, str(error)) from None


def _require_known(given_as: str, word: str, known: Iterable[str]) -> None:
    if word not in known:
        raise BadSetting(given_as, f"there is no such setting{_suggestion(word, known)}")


def _warnings(environ: Mapping[str, str]) -> list[str]:
    if PART_VARIABLE in environ or JOB_VARIABLE in environ:
        return []
    unknown = [name for name in sorted(environ) if name.startswith(PREFIX) and _is_unknown(name, environ[name])]
    named = [f"{name}{_suggestion(name, _VARIABLES)}" for name in unknown]
    return [f"ignored in the environment, for there is no such setting: {', '.join(named)}"] if named else []


def _is_unknown(variable: str, value: str) -> bool:
    known = variable in _VARIABLES or variable in _SECRETS or _OURS.match(variable) is not None
    return not known and not _is_foreign(variable, value)


def _is_foreign(variable: str, value: str) -> bool:
    of_a_service = _OF_A_SERVICE.match(variable) is not None
    return of_a_service or ("_PORT" in variable and _ADDRESS_OF_A_SERVICE.match(value) is not None)


def _suggestion(word: str, known: Iterable[str]) -> str:
    # Imported once something is wrong: see _parsed.
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.85 if word.startswith(PREFIX) else 0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
