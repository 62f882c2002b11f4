"""The beat file: by it others on this host see that a supervisor's loop turns, without Redis."""

from pathlib import Path

import msgspec
from msgspec import Struct

from jobworker.supervisor.board import boottime_ns


class Beat(Struct, frozen=True):
    """One sign of life."""

    pid: int
    #: CLOCK_BOOTTIME; every process of a host reads the same one, in a container too.
    at_ns: int
    #: Whether Redis answers.
    redis: bool
    #: What the supervisor is about, in words.
    status: str

    @property
    def age_seconds(self) -> float:
        """How long ago it was written; negative if that was before the host started."""
        return (boottime_ns() - self.at_ns) / 1e9


class BeatFile:
    """One supervisor's; written by it alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f"{path.name}.next")

    def write(self, beat: Beat) -> None:
        """Replace the last beat; a reader sees one or the other. Raises OSError."""
        # Not synced: after a crash of the machine the last beat is of no use.
        self._next.write_bytes(msgspec.json.encode(beat))
        self._next.replace(self._path)

    def read(self) -> Beat | None:
        """Return the last beat, or None if there is none that makes sense. Raises OSError if it may not be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Beat)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def remove(self) -> None:
        """Leave nothing behind. Raises OSError."""
        for path in (self._path, self._next):
            path.unlink(missing_ok=True)
