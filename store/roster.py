"""What a supervisor tells of its workers with each beat. Redis keeps it and does not look into it."""

from msgspec import Struct


class RosterEntry(Struct, frozen=True):
    """One worker process, as its supervisor last saw it."""

    pid: int
    #: starting, spare, idle, busy or ending.
    state: str
    #: On Redis's clock.
    started_ms: int
    #: How many attempts it has reported on.
    jobs: int
    #: Of the process itself, without what its job has started; None: not read yet.
    rss_bytes: int | None = None
    #: With the children that it has waited for.
    cpu_seconds: float | None = None


class HeldType(Struct, frozen=True):
    """A type whose jobs this supervisor does not run for a while. Times are on Redis's clock."""

    type: str
    why: str
    since_ms: int
    #: When one job of it is tried.
    until_ms: int


class HeldSlot(Struct, frozen=True):
    """A place that is not filled for the time being, because workers keep dying there."""

    slot: int
    #: On Redis's clock.
    until_ms: int
    #: How the last of them died.
    why: str


class Roster(Struct, frozen=True):
    """The workers of one supervisor."""

    workers: tuple[RosterEntry, ...] = ()
    #: How many workers died that nobody had asked to end, since the supervisor started.
    restarts: int = 0
    #: The longest time that the supervisor's loop was blocked, in the last minute and since it started.
    loop_lag_ms: float | None = None
    loop_lag_most_ms: float | None = None
    held_types: tuple[HeldType, ...] = ()
    held_slots: tuple[HeldSlot, ...] = ()
    #: Why the handler code on disk is not the one that runs; empty: it is, as far as is known.
    stale: str = ""
    #: Attempts of which Redis refused to write something, because they were no longer this supervisor's.
    stale_writes: int = 0
