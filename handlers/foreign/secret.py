"""A text that stands elsewhere, so that no secret is in the file of declarations."""

import os
from pathlib import Path

from msgspec import Struct

from jobworker.handlers.errors import InvalidDeclaration


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """`{env = "NAME"}` or `{file = "PATH"}`, with what goes before it: `prefix = "Bearer "`."""

    env: str | None = None
    file: str | None = None
    prefix: str = ""

    def read(self, folder: Path) -> str:
        """Return the text as it is now: a secret may be renewed while we run. Raises InvalidDeclaration."""
        if (self.env is None) == (self.file is None):
            raise InvalidDeclaration("needs one of env = … and file = …")
        return self.prefix + (_from_environment(self.env) if self.env else _from_file(folder / (self.file or "")))


def _from_environment(variable: str) -> str:
    text = os.environ.get(variable)
    if text is None:
        raise InvalidDeclaration(f"names {variable}, which the environment of the supervisor does not have")
    return text


def _from_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"names {path}, which cannot be read: {error}") from None
