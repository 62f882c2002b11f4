"""Who runs what: queues, supervisors and their workers, as they are at this moment. Only reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, Self, TypeVar

import msgspec
import redis
from msgspec import Struct

from jobworker.store.callback import DELIVERY_QUEUE
from jobworker.store.connection import translated
from jobworker.store.errors import QueueNotFound
from jobworker.store.keys import ALL_QUEUES, Keys
from jobworker.store.pause import Pause
from jobworker.store.roster import Roster, RosterEntry
from jobworker.store.scripts import Argument, script

#: How many plain commands Redis is sent at once: nobody waits long behind them.
STEP: Final = 200
#: How many queues or supervisors one script describes: queues with jobs of every priority take it 2 ms.
SCRIPT_STEP: Final = 25


Shape = TypeVar("Shape")


class QueueShare(Struct, frozen=True):
    """A queue that a supervisor serves; with weights in weighted turns."""

    name: str
    weight: int | None = None

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read `NAME` or `NAME=WEIGHT`."""
        name, _, weight = text.partition("=")
        return cls(name, int(weight) if weight else None)


class Supervisor(Struct, frozen=True):
    """An incarnation of a supervisor that has not been reaped. What its record does not tell is None."""

    name: str
    #: When it registered, in µs.
    epoch: int
    now_ms: int
    #: Below zero: dead for so long; zero: a successor has taken its name over.
    lease_left_ms: int
    #: How many jobs it runs now.
    running: int
    #: None: its record is gone, or its successor's.
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    #: How many jobs it runs at once.
    workers: int | None = None
    #: None at all: it serves every queue.
    queues: tuple[QueueShare, ...] = ()
    lease_ms: int | None = None
    roster: Roster | None = None
    #: Type -> fingerprint of what it has published about it.
    types: dict[str, str] = {}

    @property
    def is_living(self) -> bool:
        """Whether its lease has not ended."""
        return self.lease_left_ms > 0

    @property
    def silent_ms(self) -> int | None:
        """How long ago its last beat was."""
        return None if self.lease_ms is None else self.lease_ms - self.lease_left_ms

    def serves(self, queue: str) -> bool:
        """Tell whether it takes jobs from `queue`."""
        # Deliveries of webhooks are everybody's.
        return not self.queues or queue == DELIVERY_QUEUE or any(share.name == queue for share in self.queues)

    @classmethod
    def decode(cls, now_ms: int, row: list[Any]) -> Self:
        """Read a row as `lua/supervisors.lua` lists it."""
        name, epoch, lease_left_ms, running, host, pid, version, workers, queues, lease_ms, roster, types = row
        return cls(
            name=name.decode(),
            epoch=int(epoch),
            now_ms=now_ms,
            lease_left_ms=int(lease_left_ms),
            running=running,
            host=_text(host),
            pid=_number(pid),
            version=_text(version),
            workers=_number(workers),
            queues=tuple(map(QueueShare.decode, (queues or b"").decode().split())),
            lease_ms=_number(lease_ms),
            roster=_json(roster, Roster),
            types=_json(types, dict[str, str]) or {},
        )


class RunningJob(Struct, frozen=True):
    """What a worker is doing."""

    id: str
    type: str
    attempt: int
    started_ms: int
    #: How long that was ago.
    ran_ms: int


class Worker(Struct, frozen=True):
    """A worker process. What its supervisor has not told yet is None."""

    supervisor: str
    pid: int
    #: starting, spare, idle, busy or ending.
    state: str
    started_ms: int | None = None
    jobs: int | None = None
    rss_bytes: int | None = None
    cpu_seconds: float | None = None
    job: RunningJob | None = None


class Queue(Struct, frozen=True):
    """What waits in a queue, and for whom."""

    name: str
    pending: int
    #: Priority -> jobs pending, the highest first; only where there are any.
    by_priority: dict[int, int]
    now_ms: int
    #: Since when the job that waits longest has been due.
    oldest_ms: int | None
    #: Its own pause, else the one of everything.
    pause: Pause | None
    #: Names of the living supervisors that serve it.
    supervisors: tuple[str, ...]


class Fleet:
    """The queues, the supervisors and the workers. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def supervisors(self) -> list[Supervisor]:
        """Return the supervisors whose lease has not ended, by name."""
        return self._list("living")

    def members(self) -> list[Supervisor]:
        """Return those too that are dead, or have a successor, and wait to be reaped."""
        return self._list("all")

    def workers(self) -> list[Worker]:
        """Return the workers of all living supervisors, by supervisor and pid.

        Their jobs come from the running index: one that was claimed since the last beat is there too.
        """
        supervisors = self.supervisors()
        indexes = self._ask([["HKEYS", self._keys.running(one.name, one.epoch)] for one in supervisors])
        return [
            worker
            for supervisor, ids in zip(supervisors, indexes, strict=True)
            for worker in _workers(supervisor, self._jobs(supervisor, ids))
        ]

    def queues(self) -> list[Queue]:
        """Return every queue that ever held a job, by name."""
        with translated():
            names: Any = self._client.smembers(self._keys.queues)
        return self._describe(sorted(name.decode() for name in names))

    def queue(self, name: str) -> Queue:
        """Return one queue. Raises QueueNotFound when it never held a job."""
        with translated():
            known = self._client.sismember(self._keys.queues, name)
        if not known:
            raise QueueNotFound(name)
        [queue] = self._describe([name])
        return queue

    def _list(self, which: Literal["living", "all"]) -> list[Supervisor]:
        found: list[Supervisor] = []
        while True:
            arguments: list[Argument] = [self._keys.base, which, len(found), SCRIPT_STEP]
            now_ms, *rows = self._run("supervisors", [self._keys.supervisors], arguments)
            found += [Supervisor.decode(int(now_ms), row) for row in rows]
            if len(rows) < SCRIPT_STEP:
                return sorted(found, key=lambda supervisor: (supervisor.name, supervisor.epoch))

    def _describe(self, names: Sequence[str]) -> list[Queue]:
        supervisors = self.supervisors()
        return [queue for batch in _steps(names, SCRIPT_STEP) for queue in self._describe_step(batch, supervisors)]

    def _describe_step(self, names: Sequence[str], supervisors: Sequence[Supervisor]) -> Iterator[Queue]:
        now_ms, pause_of_all, *rows = self._run("queues", [self._keys.paused], [self._keys.base, *names])
        everything = _pause(ALL_QUEUES, pause_of_all)
        for name, row in zip(names, rows, strict=True):
            serving = tuple(supervisor.name for supervisor in supervisors if supervisor.serves(name))
            yield _queue(name, int(now_ms), row, everything, serving)

    def _jobs(self, supervisor: Supervisor, ids: Sequence[bytes]) -> dict[int, RunningJob]:
        """Return what runs in each worker, by its pid."""
        fields = ("status", "owner", "epoch", "worker", "type", "attempt", "started_ms")
        rows = self._ask([["HMGET", self._keys.job(job_id.decode()), *fields] for job_id in ids])
        holder = [b"running", supervisor.name.encode(), str(supervisor.epoch).encode()]
        # Whatever has ended since the index was read runs no more; of what is damaged doctor tells.
        return {
            int(row[3]): _running_job(job_id.decode(), supervisor.now_ms, *row[4:])
            for job_id, row in zip(ids, rows, strict=True)
            if row[:3] == holder and None not in row
        }

    def _ask(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        # redis-py's pipelines are not typed.
        client: Any = self._client
        answers: list[Any] = []
        for batch in _steps(commands, STEP):
            with translated(), client.pipeline(transaction=False) as pipeline:
                for command in batch:
                    pipeline.execute_command(*command)
                answers += pipeline.execute()
        return answers

    def _run(self, name: str, keys: list[str], arguments: list[Argument]) -> Any:
        with translated():
            return script(name).run(self._client, keys, arguments)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _json(value: bytes | None, shape: type[Shape]) -> Shape | None:
    """Return what another version of ours has written, unless it is of another shape."""
    try:
        return None if value is None else msgspec.json.decode(value, type=shape)
    except msgspec.DecodeError:
        return None


def _steps(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _running_job(job_id: str, now_ms: int, kind: bytes, attempt: bytes, started_ms: bytes) -> RunningJob:
    return RunningJob(job_id, kind.decode(), int(attempt), int(started_ms), max(now_ms - int(started_ms), 0))


def _workers(supervisor: Supervisor, jobs: dict[int, RunningJob]) -> list[Worker]:
    told = {entry.pid: entry for entry in (supervisor.roster or Roster()).workers}
    return [_worker(supervisor.name, pid, told.get(pid), jobs.get(pid)) for pid in sorted(told.keys() | jobs.keys())]


def _worker(supervisor: str, pid: int, told: RosterEntry | None, job: RunningJob | None) -> Worker:
    if told is None:
        # Forked since the last beat.
        return Worker(supervisor, pid, "busy", job=job)
    return Worker(
        supervisor=supervisor,
        pid=pid,
        state=_state(told.state, job),
        started_ms=told.started_ms,
        jobs=told.jobs,
        rss_bytes=told.rss_bytes,
        cpu_seconds=told.cpu_seconds,
        job=job,
    )


def _state(told: str, job: RunningJob | None) -> str:
    """Return what is the case now, where the indexes know more than the last beat did."""
    if job is not None:
        return told if told == "ending" else "busy"
    return "idle" if told == "busy" else told


def _queue(name: str, now_ms: int, row: list[Any], everything: Pause | None, supervisors: tuple[str, ...]) -> Queue:
    pending, oldest_ms, pause, *by_priority = row
    return Queue(
        name=name,
        pending=pending,
        by_priority=dict(zip(by_priority[::2], by_priority[1::2], strict=True)),
        now_ms=now_ms,
        oldest_ms=int(oldest_ms) if pending else None,
        pause=_pause(name, pause) or everything,
        supervisors=supervisors,
    )


def _pause(queue: str, value: bytes | None) -> Pause | None:
    return None if value is None else Pause.decode(queue, value)
