"""The tables of a TOML file that declare handlers: `[exec."a.type"]` and `[http."a.type"]`."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from jobworker.handlers.errors import LoadFailed

#: What a section declares, by type and key.
Section: TypeAlias = dict[str, dict[str, Any]]

#: The sections with handlers; all others of the file are settings, and somebody else's.
SECTIONS: Final = ("exec", "http")
#: Keys whose values may be secrets.
_SECRET_KEYS: Final = ("headers", "env")


def read_tables(file: Path) -> dict[str, Section]:
    """Return the declared handlers of a file by section and type. Raises LoadFailed."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise LoadFailed(f"handlers file {file} cannot be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        raise LoadFailed(f"handlers file {file} is not TOML: {error}") from None
    for name in document:
        if name not in SECTIONS and (meant := difflib.get_close_matches(name, SECTIONS, n=1)):
            raise LoadFailed(f"handlers file {file} has a table [{name}]: did you mean [{meant[0]}]?")
    found = {section: document[section] for section in SECTIONS if section in document}
    try:
        return msgspec.convert(found, dict[str, Section])
    except msgspec.ValidationError:
        raise LoadFailed(
            f'handlers file {file} has something else than tables in [exec] or [http]: write [exec."a.type"]'
        ) from None


def masked(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table as it may be shown."""
    hidden = {key: dict.fromkeys(table[key], "***") for key in _SECRET_KEYS if isinstance(table.get(key), dict)}
    return {**table, **hidden}
