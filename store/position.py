"""Where a job stands in line."""

from typing import Self

from msgspec import Struct


class Position(Struct, frozen=True):
    """Of a job that is pending."""

    #: How many jobs of its queue would start before it.
    ahead: int
    #: How many jobs are pending in its queue, it included.
    pending: int

    @classmethod
    def decode(cls, reply: list[int]) -> Self | None:
        """Read the reply of `lua/position.lua`; None: it does not stand in line."""
        ahead, pending = reply
        return None if ahead < 0 else cls(ahead, pending)
