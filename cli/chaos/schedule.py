"""Which faults happen when: drawn from a seed, before anything is started."""

import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

API: Final = "api"
SERVER: Final = "server"


class Kind(Struct, frozen=True):
    """A kind of fault: how often it comes in each round, whom it hits, how long it lasts."""

    name: str
    says: str
    hits: Literal["supervisor", "api", "server", "process"] = "supervisor"
    times: int = 1
    #: From, to; what is killed is started again at once, or when this is over.
    seconds: tuple[float, float] = (0.0, 0.0)
    #: How long after it its target may still be slower than usual.
    aftermath_seconds: float = 0.0
    #: How long nothing else happens before it, and also while it lasts: so what it costs by itself can be measured.
    calm_seconds: float = 0.0


class Fault(Struct, frozen=True):
    """One fault to come, in seconds from the start. `pick`, from 0 to 1, chooses among what it may hit."""

    at_seconds: float
    kind: str
    target: str
    lasts_seconds: float
    pick: float


#: Longer than a lease of 3 s, so that others take over; and shorter, so that nobody should.
AROUND_A_LEASE: Final = (0.5, 6.0)
KINDS: Final = (
    Kind("kill_worker", "SIGKILL of a worker that runs a job", times=6),
    Kind("freeze_worker", "SIGSTOP of a worker that runs a job", seconds=(0.2, 8.0)),
    Kind("kill_supervisor", "SIGKILL of a supervisor, started again at once", aftermath_seconds=2.0),
    Kind(
        "kill_host",
        "SIGKILL of a supervisor and its workers, away for a lease, in calm",
        seconds=(5.0, 6.0),
        calm_seconds=6.0,
    ),
    Kind("freeze_supervisor", "SIGSTOP of a supervisor", seconds=AROUND_A_LEASE, aftermath_seconds=1.0),
    Kind("drain_supervisor", "SIGTERM of a supervisor, started again when it has drained", aftermath_seconds=8.0),
    Kind("reload_supervisor", "SIGHUP of a supervisor", aftermath_seconds=2.0),
    Kind("cut_off", "its connections to Redis deliver nothing", seconds=AROUND_A_LEASE, aftermath_seconds=3.0),
    Kind("lose_reply", "an answer of Redis is lost, its connection reset", "process", times=2, aftermath_seconds=1.0),
    Kind("kill_clients", "CLIENT KILL of every connection", "server", aftermath_seconds=1.0),
    Kind("pause_clients", "CLIENT PAUSE", "server", seconds=(0.1, 2.0), aftermath_seconds=0.5),
    Kind("kill_server", "kill -9 of Redis (AOF always)", "server", seconds=(0.0, 2.0), aftermath_seconds=3.0),
    Kind("kill_api", "SIGKILL of the API or one of its processes", "api", aftermath_seconds=1.0),
    Kind("freeze_api", "SIGSTOP of a process of the API", "api", seconds=(0.2, 3.0)),
    Kind("jump_clock", "the wall clock of a process jumps up to a day", "process"),
)


def draw(seed: int, seconds: float, every_seconds: float, supervisors: Sequence[str]) -> list[Fault]:
    """Return the faults of a run, in their order: in rounds, so that each kind comes early and often."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    kinds = _rounds(dice)
    faults: list[Fault] = []
    # The first jobs must have come, and half of the gaps are longer than the other half.
    at_seconds = every_seconds
    while True:
        kind = next(kinds)
        fault = _fault(dice, kind, at_seconds + kind.calm_seconds, supervisors)
        if fault.at_seconds >= seconds:
            return faults
        faults.append(fault)
        calm_until = fault.at_seconds + (fault.lasts_seconds if kind.calm_seconds else 0.0)
        at_seconds = calm_until + dice.uniform(0.2, 1.8) * every_seconds


def _rounds(dice: random.Random) -> Iterator[Kind]:
    while True:
        one_round = [kind for kind in KINDS for _ in range(kind.times)]
        dice.shuffle(one_round)
        yield from one_round


def _fault(dice: random.Random, kind: Kind, at_seconds: float, supervisors: Sequence[str]) -> Fault:
    targets = {"server": [SERVER], "api": [API], "supervisor": supervisors, "process": [API, *supervisors]}
    return Fault(
        round(at_seconds, 3),
        kind.name,
        dice.choice(targets[kind.hits]),
        round(dice.uniform(*kind.seconds), 3),
        round(dice.random(), 4),
    )
