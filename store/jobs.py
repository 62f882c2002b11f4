"""The clients' side of the store: put jobs in, read, list and change them. For threads."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import msgspec
import redis

from jobworker.store.apikeys import ApiKeys
from jobworker.store.callback import Deliveries
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.census import Censuses
from jobworker.store.connection import connect, translated
from jobworker.store.control import Control
from jobworker.store.durability import NAMES, SECTIONS, Durability, read_config, read_info
from jobworker.store.ends import Ends
from jobworker.store.errors import JobNotFound, NotUnique, RecordDamaged, StoreError, StoreMisconfigured, WrongState
from jobworker.store.events import Events
from jobworker.store.fleet import Fleet
from jobworker.store.idempotency import Acceptance, IdempotencyKey, new_request
from jobworker.store.intake import Intake
from jobworker.store.job import JobRecord, NewJob, Note
from jobworker.store.keys import ALL_QUEUES, Keys
from jobworker.store.limits import MAX_PAGE_JOBS, MAX_PAGE_LOOKS
from jobworker.store.listing import FIELDS, JobFilter, JobPage, page_arguments
from jobworker.store.log import LogMark, LogPage
from jobworker.store.pause import Pause
from jobworker.store.position import Position
from jobworker.store.replicas import Replicas
from jobworker.store.retention import Retention
from jobworker.store.schedules import Schedules
from jobworker.store.schema import SCHEMA, is_compatible
from jobworker.store.scripts import Argument, script
from jobworker.store.states import JobState
from jobworker.store.stats import Stats
from jobworker.store.trail import Trail

#: What `cancel` answers: it is cancelled, or its supervisor has been told to kill it.
CancelWord = Literal["cancelled", "cancelling"]
#: Who cancels when nobody says so.
ANYBODY: Final = Note()


class JobStore:
    """Jobs in Redis, seen from a client. Every method raises StoreUnavailable when Redis is away."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        retention: Retention,
        replicas: Replicas = Replicas(),  # noqa: B008 - it is frozen
    ) -> None:
        self._client = client
        self._replicas = replicas
        #: How jobs come in, many at once.
        self.intake = Intake(client, keys, replicas)
        self._keys = keys
        self._retention = retention
        #: Who runs what.
        self.fleet = Fleet(client, keys)
        #: What attempts came to and cost.
        self.stats = Stats(client, keys)
        #: How many there are of everything.
        self.census = Censuses(client, keys)
        #: What supervisors are asked.
        self.control = Control(client, keys)
        #: What is submitted by the clock.
        self.schedules = Schedules(client, keys)
        #: The ends of jobs that somebody waits for.
        self.ends = Ends(client, keys)
        #: What happens, for those who listen.
        self.events = Events(client, keys)
        #: Who is told of ends, and how far that is.
        self.deliveries = Deliveries(client, keys)
        #: Who may ask for what.
        self.api_keys = ApiKeys(client, keys)
        #: What was done by whom.
        self.trail = Trail(client, keys)

    @classmethod
    def connect(cls, url: str, *, timeout_seconds: float, prefix: str, retention: Retention) -> Self:
        """Return a store that connects at its first call."""
        return cls(connect(url, timeout_seconds=timeout_seconds), Keys(prefix), retention)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Acceptance]:
        """Store up to 200 jobs, all or none; return what to tell of each.

        Safe to repeat: where a job's id or key is known nothing changes, and the answer is that of the first time.
        Raises InvalidJob when one would expire before it is due, or when there would be too many queues, types or tags;
        NotUnique when another job holds a unique key and that is to be rejected;
        KeyReused when a key is known from a request with another body; NotReplicated when they are stored and too few
        replicas have confirmed that in time.
        """
        answers = self.intake.take(jobs, all_or_none=True)
        for answer in answers:
            if isinstance(answer, StoreError):
                raise answer
        return [answer for answer in answers if isinstance(answer, Acceptance)]

    def accepted(self, key: IdempotencyKey) -> Acceptance | None:
        """Return what was answered to the request that has come with this key, if any.

        Raises KeyReused, and NotReplicated as `enqueue` does.
        """
        return self.intake.accepted(key)

    def get(self, job_id: str) -> JobRecord:
        """Return the job. Raises JobNotFound, RecordDamaged."""
        now_ms, pairs = self._run("read", [self._keys.job(job_id)], [])
        if not pairs:
            raise JobNotFound(job_id)
        return JobRecord.decode(job_id, int(now_ms), dict(zip(pairs[::2], pairs[1::2], strict=True)))

    def position(self, job_id: str) -> Position | None:
        """Return where the job stands in line; None: it does not."""
        return Position.decode(self._run("position", [self._keys.job(job_id)], [self._keys.base, job_id]))

    def list_jobs(self, wanted: JobFilter, *, limit: int, cursor: str | None = None) -> JobPage:
        """Return the next jobs that are `wanted`, at most `limit`. Raises BadCursor.

        What waits comes in the order in which it would run, all else newest first. A job that stays where it is comes
        exactly once, whatever is written between two pages.
        """
        assert 1 <= limit <= MAX_PAGE_JOBS
        keys = self._keys
        indexes = [keys.queues, keys.created, keys.scheduled, keys.expiring, keys.supervisors]
        begin = page_arguments(wanted, cursor)
        reply = self._run("list", indexes, [keys.base, *begin, limit, MAX_PAGE_LOOKS, *FIELDS])
        return JobPage.decode(reply, wanted)

    def log(self, job_id: str, mark: LogMark = LogMark()) -> LogPage:  # noqa: B008 - it is frozen
        """Return what the job has printed behind `mark`. Raises JobNotFound, RecordDamaged."""
        keys = self._keys
        reply = self._run("log", [keys.job(job_id), keys.log(job_id)], [mark.chunk, mark.at])
        _check(job_id, reply)
        if reply[1].decode(errors="replace") not in set(JobState):
            raise RecordDamaged(job_id)
        return LogPage.decode(reply, mark)

    def cancel(self, job_id: str, note: Note = ANYBODY) -> CancelWord:
        """Cancel a job that has not started; ask for the kill of one that runs. Raises JobNotFound, WrongState."""
        keys = self._keys
        arguments: list[Argument] = [keys.base, job_id, *self._retention.arguments(), msgspec.json.encode(note)]
        word = _check(job_id, self._run("cancel", [keys.job(job_id), keys.scheduled, keys.expiring], arguments))
        return "cancelled" if word == b"cancelled" else "cancelling"

    def retry(self, job_id: str, request: str | None = None) -> None:
        """Run a job again that has ended, as if it were new. Raises JobNotFound, WrongState, NotUnique.

        Safe to repeat with the same `request`: its last one is remembered by the job, whatever has become of it.
        """
        keys = self._keys
        arguments: list[Argument] = [keys.base, job_id, request or new_request()]
        _check(job_id, self._run("retry", [keys.job(job_id), keys.meta], arguments))

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended, or whose status is damaged. Raises JobNotFound, WrongState."""
        _check(job_id, self._run("delete", [self._keys.job(job_id)], [self._keys.base, job_id]))

    def pause(self, queue: str | None = None, *, who: str, reason: str | None = None) -> None:
        """Claim nothing more from `queue` (None: from any) until it is resumed; running jobs run on."""
        note = msgspec.json.encode({"who": who, "reason": reason})
        self._run("pause", [self._keys.paused], [self._keys.base, queue or ALL_QUEUES, note])

    def resume(self, queue: str | None = None) -> None:
        """Lift the pause of `queue`, or with None the one of everything; pauses of queues stay."""
        self._run("resume", [self._keys.paused, self._keys.queues], [self._keys.base, queue or ALL_QUEUES])

    def pauses(self) -> list[Pause]:
        """Return what is paused."""
        with translated():
            entries: Any = self._client.hgetall(self._keys.paused)
        return [Pause.decode(queue.decode(), value) for queue, value in entries.items()]

    def handlers(self) -> dict[str, HandlerEntry]:
        """Return what the supervisors of the last seven days can run, by type."""
        with translated():
            entries: Any = self._client.hgetall(self._keys.handlers)
        return {name.decode(): HandlerEntry.decode(value) for name, value in entries.items()}

    def check_writable(self) -> None:
        """Prove that Redis takes a write and that its data is of a version we know."""
        with translated():
            # A write, refused where writes are, also when it changes nothing.
            self._client.hsetnx(self._keys.meta, "schema", SCHEMA)
            found: Any = self._client.hget(self._keys.meta, "schema")
        if not is_compatible(found.decode()):
            raise StoreMisconfigured(f"the data in Redis is of schema {found.decode()}, this version knows {SCHEMA}")

    def durability(self) -> Durability:
        """Return what it means that a job was enqueued, as far as Redis lets itself be asked."""
        with translated():
            info, config = read_info(self._client, *SECTIONS), read_config(self._client, NAMES)
        return Durability.of(info, config, self._replicas.wanted)

    def _run(self, name: str, keys: list[str], arguments: list[Argument]) -> Any:
        with translated():
            return script(name).run(self._client, keys, arguments)


def _check(job_id: str, reply: list[bytes]) -> bytes:
    """Return the word of a reply that is no refusal."""
    if reply[0] == b"missing":
        raise JobNotFound(job_id)
    if reply[0] in (b"ended", b"not_ended"):
        raise WrongState(job_id, reply[1].decode(errors="replace"))
    if reply[0] == b"not_unique":
        raise _not_unique(reply)
    return reply[0]


def _not_unique(reply: list[bytes]) -> NotUnique:
    return NotUnique(reply[1].decode(), reply[2].decode())
