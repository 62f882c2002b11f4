"""How long an ended job is kept, and how many of each state."""

from msgspec import Struct


class Retention(Struct, frozen=True):
    """Age and number after which ended jobs are deleted; a job goes when either is reached."""

    keep_ms: int = 24 * 3_600_000
    keep_failed_ms: int = 14 * 24 * 3_600_000
    keep_jobs: int = 1_000_000

    def arguments(self) -> list[str | bytes | int | float]:
        """Return the three values in the order in which `lua/includes/ending.lua` takes them."""
        return [self.keep_ms, self.keep_failed_ms, self.keep_jobs]
