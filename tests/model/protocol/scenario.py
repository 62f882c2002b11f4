"""What a run of the model begins with, and which trouble can come."""

from collections.abc import Mapping
from typing import Final, NamedTuple

#: Every kind of trouble.
TROUBLES: Final = (
    *("late", "repeat", "crash", "stop", "cut", "outage", "slow"),
    *("worker", "raise", "cancel", "drain", "unwritten"),
)


class Place(NamedTuple):
    """Where a process runs, and under which name."""

    name: int
    host: int


A: Final = Place(0, 0)
B: Final = Place(1, 1)
#: The name of A on the host of B.
A_ELSEWHERE: Final = Place(0, 1)


class Scenario(NamedTuple):
    """Few jobs, few processes, little trouble: all that can come of it is visited."""

    #: A process each, in the order of their starts where they share a place.
    places: tuple[Place, ...]
    trouble: Mapping[str, int]
    #: How many of them serve from the beginning; the others may start at any time.
    serving: int = 1
    jobs: int = 1
    workers: int = 1
    #: How many jobs are claimed beyond the idle workers.
    beyond: int = 0
    is_exclusive: bool = False
    #: Handlers go on until they are killed.
    hangs: bool = False
    #: Nothing happens for which a job may be charged a crash.
    is_harmless: bool = False
    reaped_per_beat: int = 50
    #: How many scripts may be lost with the writes of Redis.
    most_lost: int = 2
