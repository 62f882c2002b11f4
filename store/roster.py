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
    held_slots: tuple[HeldSlot, ...] = ()
    #: Why the handler code on disk is not the one that runs; empty: it is, as far as is known.
    stale: str = ""
