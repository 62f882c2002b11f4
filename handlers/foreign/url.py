"""The address of an `http` handler's service."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.foreign.address import kind_of


@dataclass(frozen=True, slots=True)
class Url:
    """Where a service is."""

    scheme: str
    host: str
    port: int
    #: Path and query.
    target: str

    @classmethod
    def read(cls, text: str) -> "Url":
        """Raises InvalidDeclaration."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InvalidDeclaration(f"has no valid url: {error}") from None
        if parts.scheme not in ("http", "https") or not host or re.search(r"[^\x21-\x7e]", text):
            raise InvalidDeclaration("has no valid url: it begins with https:// or http:// and is ASCII without spaces")
        if "@" in parts.netloc:
            raise InvalidDeclaration("has a user in its url: give headers = {Authorization = {env = …}} instead")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target)

    def require_public(self) -> None:
        """Refuse what needs no look-up to be seen as private. Raises InvalidDeclaration."""
        try:
            kind = kind_of(self.host)
        except ValueError:  # a name
            return
        if kind:
            raise InvalidDeclaration(f"has {self.host} in its url, which is {kind}: allow_private = true allows it")
