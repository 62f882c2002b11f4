"""A state of the model: Redis, the supervisors with one worker each, and what is on its way between them."""

from typing import Any, NamedTuple

#: In ticks: how long a lease lasts, and for how long after a beat attempts may begin.
LEASE = 3
FENCE = 2
VOIDED = -1


class Job(NamedTuple):
    status: str = "pending"
    owner: int = -1
    epoch: int = 0
    token: int = 0
    #: How often it was counted as crashed.
    crashes: int = 0
    #: Whether a client's cancel was accepted.
    flagged: bool = False


class Record(NamedTuple):
    """The newest incarnation of a name, in Redis."""

    epoch: int = 0
    #: Ticks left of its lease; VOIDED: it may never write again.
    lease: int = 0
    last_call: int = 0
    answer: tuple[tuple[int, int], ...] = ()
    #: For how many ticks it has held its lease without a gap; a full term is enough.
    held: int = 0
    proven: bool = False


class Process(NamedTuple):
    """A supervisor and its worker. `life`: new, up, gone."""

    name: int
    life: str = "new"
    epoch: int = 0
    #: Ticks until nothing may begin; -1: the passing of the deadline was acted upon.
    fence: int = 0
    call: int = 0
    #: The settles of the call that waits for an answer.
    open: tuple[Any, ...] | None = None
    agreed: bool = False
    #: (stage, job, token) with stage: sent, runs, done.
    worker: tuple[str, int, int] | None = None
    #: (job, token, outcome) of attempts that have ended.
    results: tuple[tuple[int, int, str], ...] = ()
    frozen: bool = False
    cut_off: bool = False
    draining: bool = False
    #: Whether nobody else held a lease when it beat last.
    alone: bool = True
    #: Whether it was stopped for so long that nothing can be promised.
    late: bool = False

    @property
    def awake(self) -> bool:
        return self.life == "up" and not self.frozen

    @property
    def held(self) -> set[tuple[int, int]]:
        return {result[:2] for result in self.results} | ({self.worker[1:]} if self.worker else set())


class Message(NamedTuple):
    """A call on its way to Redis, or its answer (`reply` is not None)."""

    process: int
    epoch: int
    call: int
    settles: tuple[tuple[int, int, str], ...] = ()
    wants: bool = False
    reply: Any = None


class World(NamedTuple):
    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    processes: tuple[Process, ...]
    net: tuple[Message, ...] = ()
    #: What may still go wrong: fault -> how often.
    faults: tuple[tuple[str, int], ...] = ()
    #: Redis's clock, of which tokens and epochs are made.
    clock: int = 0
    #: Ticks since anybody's last beat, and ticks in which nobody is reaped.
    quiet: int = 0
    truce: int = 0

    def job(self, number: int, job: Job) -> "World":
        return self._replace(jobs=put(self.jobs, number, job))

    def record(self, name: int, **fields: Any) -> "World":
        return self._replace(records=put(self.records, name, self.records[name]._replace(**fields)))

    def process(self, number: int, **fields: Any) -> "World":
        return self._replace(processes=put(self.processes, number, self.processes[number]._replace(**fields)))

    def send(self, message: Message) -> "World":
        return self._replace(net=tuple(sorted((*self.net, message), key=repr)))

    def receive(self, message: Message) -> "World":
        rest = list(self.net)
        rest.remove(message)
        return self._replace(net=tuple(rest))

    def may(self, fault: str) -> bool:
        return dict(self.faults).get(fault, 0) > 0

    @property
    def is_outage(self) -> bool:
        """Whether Redis itself is away, for all, and comes back for all."""
        return ("outage", 0) in self.faults

    def spend(self, fault: str) -> "World":
        left = tuple((name, count - (name == fault)) for name, count in self.faults)
        return self._replace(faults=left)


def put(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])


class Violation(Exception):
    """A promise is broken."""
