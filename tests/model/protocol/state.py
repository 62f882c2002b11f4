"""What a state of the model consists of: immutable, and as small as can be.

Time passes in ticks of a third of a lease: a call is answered or given up within one, a late copy may come at any time.
Tokens and epochs count 1, 2, 3, … for each job and name: only their order matters. Not in here: payloads, schedules,
expiry, retention, reports, follow-ups, hints, requests, and the indexes that a script writes together with the job.
"""

from typing import Any, Final, NamedTuple, TypeVar

LEASE: Final = 3
#: 11/15 of it.
FENCE: Final = 2
#: More than half of it.
SILENT: Final = 2
#: A lease end of 0 in the record: reaped, or left.
VOID: Final = -1

MAX_ATTEMPTS: Final = 2
MAX_CRASHES: Final = 2

#: The field `ahead` of a job.
NEVER, MARKED, FORGIVEN = -1, 1, 0


class Job(NamedTuple):
    """A job's record; the last three are known to the promises alone."""

    status: str = "pending"
    owner: int = -1
    epoch: int = 0
    token: int = 0
    failures: int = 0
    crashes: int = 0
    #: 1: a cancel was accepted; 2: and told, if that happens once only.
    flagged: int = 0
    ahead: int = NEVER
    #: How often it may have been charged.
    chargeable: int = 0
    is_beyond: bool = False
    is_done: bool = False


class Record(NamedTuple):
    """A supervisor's record, by name."""

    epoch: int = 0
    lock: int = -1
    registration: int = 0
    lease: int = VOID
    #: For how long the lease has been held, a full term at most.
    term: int = 0
    is_proven: bool = False
    last_call: int = 0


class Redis(NamedTuple):
    """What Redis holds."""

    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    #: The set `supervisors`: name and epoch.
    members: tuple[tuple[int, int], ...] = ()
    #: Since the last beat of anybody.
    silence: int = 0
    #: Until somebody may reap again.
    quiet: int = 0


#: Job, token, outcome.
Settle = tuple[int, int, str]
#: Job, token.
Held = tuple[int, int]
Answer = tuple[Any, ...]


class Request(NamedTuple):
    """A call on its way to Redis, or lost on it."""

    slot: int
    kind: str
    epoch: int
    number: int
    #: What an exchange settles, what a reconcile lists, the proofs of a register.
    items: tuple[Any, ...] = ()
    #: For how many idle workers an exchange claims, and how many jobs beyond.
    wanted: tuple[int, int] = (0, 0)


class Call(NamedTuple):
    """A call whose answer is awaited."""

    kind: str
    number: int
    settles: tuple[Settle, ...] = ()
    reply: Answer = ()


class Attempt(NamedTuple):
    """An attempt in a worker."""

    job: int
    token: int
    #: handed, running or reported.
    stage: str = "handed"
    outcome: str = ""
    #: It ran past its deadline for a reason that docs/protocol.md gives.
    is_excused: bool = False

    @property
    def held(self) -> Held:
        """What names it."""
        return self.job, self.token


class Supervisor(NamedTuple):
    """A process; a restart of it is another one."""

    #: absent, registering, serving, leaving or dead.
    phase: str
    workers: tuple[Attempt | None, ...]
    results: tuple[Settle, ...] = ()
    epoch: int = 0
    registrations: int = 0
    #: Ticks to wait for the lease of a namesake; -1: it was waited for.
    waits: int = 0
    fence: int = 0
    is_alone: bool = True
    must_reconcile: bool = True
    is_stopping: bool = False
    is_stopped: bool = False
    is_cut: bool = False
    calls: int = 0
    call: Call | None = None
    proofs: tuple[int, ...] = ()

    @property
    def held(self) -> list[Held]:
        """What it counts as its own: what runs, and what ended and is not settled."""
        return [attempt.held for attempt in self.workers if attempt] + [settle[:2] for settle in self.results]

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return self.workers.count(None)


class State(NamedTuple):
    """Everything."""

    redis: Redis
    supervisors: tuple[Supervisor, ...]
    #: How often each kind of trouble may still come.
    troubles: tuple[int, ...]
    #: The last token of each job and the last epoch of each name: a clock is not lost with the data.
    tokens: tuple[int, ...]
    epochs: tuple[int, ...]
    #: The lock file of each place: who has registered from there.
    files: tuple[tuple[int, ...], ...]
    net: tuple[Request, ...] = ()
    #: Redis is away for everybody.
    is_away: bool = False
    #: What is on its disk if it stops now, and how many scripts more it has run; None: all of it.
    disk: tuple[Redis, int] | None = None

    def with_supervisor(self, slot: int, supervisor: Supervisor) -> "State":
        """Replace one of them."""
        return self._replace(supervisors=put(self.supervisors, slot, supervisor))


Item = TypeVar("Item")


def put(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    """Replace one item."""
    return (*items[:index], item, *items[index + 1 :])


class Step(NamedTuple):
    """One thing that can happen next."""

    told: str
    state: State
    is_trouble: bool = False
