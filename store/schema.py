"""Version of the data in Redis: a newer minor is additive, another major is not ours."""

from typing import Final

SCHEMA: Final = "1.0"


def is_compatible(found: str) -> bool:
    """Tell whether data of schema `found` is safe for this version to read and write."""
    return found.partition(".")[0] == SCHEMA.partition(".")[0]
