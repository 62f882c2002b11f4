"""A key that one job at a time may have."""

from hashlib import blake2b
from typing import Literal, Self

from msgspec import Struct

#: What to do with a job whose key is held: return the holder, or reject it.
OnConflict = Literal["return", "reject"]


class UniqueKey(Struct, frozen=True):
    """Of the jobs with the same one, at most one waits or runs."""

    digest: str
    on_conflict: OnConflict = "return"

    @classmethod
    def of(cls, key: str, on_conflict: OnConflict = "return") -> Self:
        """Return what Redis is told of the key: it may be long, and hold any character."""
        return cls(blake2b(key.encode(), digest_size=16).hexdigest(), on_conflict)
