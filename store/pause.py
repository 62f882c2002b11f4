"""Why nothing is claimed."""

from typing import Self

import msgspec
from msgspec import Struct


class Pause(Struct, frozen=True):
    """Why nothing is claimed from a queue (`*`: from any)."""

    queue: str
    who: str
    since_ms: int
    reason: str | None = None

    @classmethod
    def decode(cls, queue: str, value: bytes) -> Self:
        """Read an entry of the hash `paused`: queue and `<ms since> <JSON of who and why>`."""
        since_ms, note = value.split(b" ", 1)
        return cls(queue=queue, since_ms=int(since_ms), **msgspec.json.decode(note))
