"""Schedules in Redis: clients put and read them, supervisors fire them."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, Self

import msgspec
import redis
from msgspec import Struct

from jobworker.store.connection import translate, translated
from jobworker.store.errors import InvalidSchedule, ScheduleNotFound, StoreError
from jobworker.store.idempotency import new_request
from jobworker.store.ids import occurrence_id
from jobworker.store.job import NewJob, Note
from jobworker.store.keys import Keys
from jobworker.store.limits import MAX_QUEUES, MAX_SCHEDULES, MAX_TAGS, MAX_TYPES
from jobworker.store.retention import Retention
from jobworker.store.scripts import Argument, script
from jobworker.store.timing import Timing
from jobworker.store.wire import FOREIGN, Caller

Overlap = Literal["allow", "skip", "cancel"]
Misfire = Literal["skip", "once", "all"]

#: How many schedules a supervisor reads at once to fire them.
MAX_DUE: Final = 20
#: How often a pause is tried again because the schedule has been replaced in between.
_TRIES: Final = 5


class NewSchedule(Struct, frozen=True):
    """A schedule to store."""

    name: str
    timing: Timing
    overlap: Overlap
    misfire: Misfire
    grace_ms: int
    #: What its jobs are made of; queue "" and priority 0 are left to the declaration of their type.
    template: NewJob
    #: As its client has said it, for readers; without the payload.
    definition: bytes


class Occurrence(Struct, frozen=True):
    """What became of one time at which a schedule was due."""

    due_ms: int
    #: When a supervisor came to it.
    at_ms: int
    #: fired, skipped (its predecessor had not ended) or refused.
    outcome: str
    job: str

    @classmethod
    def decode(cls, line: str) -> Self:
        """Read a line as `lua/fire.lua` writes it."""
        due_ms, at_ms, outcome, job = line.split(" ")
        return cls(int(due_ms), int(at_ms), outcome, job)


class SchedulePause(Struct, frozen=True):
    """Who has paused a schedule, and why."""

    since_ms: int
    note: Note


class Schedule(Struct, frozen=True):
    """A schedule as it stands; `payload` is None in a list."""

    name: str
    now_ms: int
    definition: bytes
    timing: Timing
    template: NewJob
    payload: bytes | None
    created_ms: int
    changed_ms: int
    next_due_ms: int | None
    pause: SchedulePause | None
    #: The time at which what was fired last was due.
    last_fired_ms: int | None
    last_job: str | None
    last_error: str | None
    #: How many occurrences were not fired because nobody was there in time.
    missed: int
    #: The last ones, newest first.
    occurrences: tuple[Occurrence, ...]

    @classmethod
    def decode(cls, name: str, now_ms: int, row: list[Any], payload: bytes | None) -> Self:
        """Read the fields _FIELDS of a record."""
        definition, timing, template, created, changed, due, paused, fired, job, error, missed, occurrences = row
        since, _, note = (paused or b"").partition(b" ")
        return cls(
            name=name,
            now_ms=now_ms,
            definition=definition.partition(b"\n")[0],
            timing=msgspec.json.decode(timing, type=Timing),
            template=msgspec.json.decode(template, type=NewJob),
            payload=payload,
            created_ms=int(created),
            changed_ms=int(changed),
            next_due_ms=int(due) if due else None,
            pause=SchedulePause(int(since), msgspec.json.decode(note, type=Note)) if paused else None,
            last_fired_ms=int(fired) if fired else None,
            last_job=job.decode() if job else None,
            last_error=error.decode(errors="replace") if error else None,
            missed=int(missed or 0),
            occurrences=tuple(map(Occurrence.decode, (occurrences or b"").decode().splitlines())),
        )


_FIELDS: Final = (
    *("definition", "timing", "template", "created_ms", "changed_ms", "next_due_ms", "paused", "last_fired_ms"),
    *("last_job", "last_error", "missed", "occurrences"),
)


class Schedules:
    """The clients' side, for threads. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def put(self, new: NewSchedule, request: str | None = None) -> bool:
        """Create a schedule, or replace it; return whether it was created. Raises InvalidSchedule.

        While its timing stays it keeps when it is due next. Safe to repeat with the same `request`.
        """
        due_ms = new.timing.next_after(self._now_ms())
        template = msgspec.structs.replace(new.template, id="", payload=b"null", schedule=new.name)
        fields: dict[str, Argument] = {
            "overlap": new.overlap,
            "misfire": new.misfire,
            "grace_ms": new.grace_ms,
            "template": msgspec.json.encode(template),
            "payload": new.template.payload,
        }
        definition = new.definition + b"\n" + blake2b(new.template.payload, digest_size=16).hexdigest().encode()
        head: list[Argument] = [self._keys.base, new.name, request or new_request(), MAX_SCHEDULES]
        opaque: list[Argument] = ["" if due_ms is None else due_ms, definition, msgspec.json.encode(new.timing)]
        [word] = self._run("schedule", new.name, [*head, *opaque, *(item for pair in fields.items() for item in pair)])
        if word == b"full":
            raise InvalidSchedule(f"there are {MAX_SCHEDULES} schedules already", field="name")
        if word == b"never":
            raise InvalidSchedule("it would never be due: that lies in the past, or in no year", field="")
        return bool(word == b"created")

    def get(self, name: str) -> Schedule:
        """Return a schedule, whole. Raises ScheduleNotFound."""
        with translated():
            row: Any = self._client.hmget(self._keys.schedule(name), ["payload", *_FIELDS])
        if row[1] is None:
            raise ScheduleNotFound(name)
        return Schedule.decode(name, self._now_ms(), row[1:], row[0])

    def all(self) -> list[Schedule]:
        """Return all by name, without their payloads."""
        now_ms = self._now_ms()
        # redis-py's pipelines are not typed.
        client: Any = self._client
        with translated(), client.pipeline(transaction=False) as pipeline:
            names = sorted(name.decode() for name in client.zrange(self._keys.schedules, 0, -1))
            for name in names:
                pipeline.hmget(self._keys.schedule(name), _FIELDS)
            rows = pipeline.execute()
        found = zip(names, rows, strict=True)
        return [Schedule.decode(name, now_ms, row, None) for name, row in found if row[0] is not None]

    def delete(self, name: str) -> None:
        """Forget a schedule; its jobs stay. Raises ScheduleNotFound."""
        if self._run("unschedule", name, [name]) == [b"missing"]:
            raise ScheduleNotFound(name)

    def pause(self, name: str, note: Note) -> None:
        """Fire nothing until it is resumed. Raises ScheduleNotFound."""
        self._hold(name, msgspec.json.encode(note))

    def resume(self, name: str) -> None:
        """Fire what is due from now on. Raises ScheduleNotFound."""
        self._hold(name, b"")

    def _hold(self, name: str, note: bytes) -> None:
        for _ in range(_TRIES):
            timing = self.get(name).timing
            due_ms = timing.next_after(self._now_ms())
            head: list[Argument] = [self._keys.base, name, note]
            arguments = [*head, msgspec.json.encode(timing), "" if due_ms is None else due_ms]
            [word] = self._run("hold", name, arguments)
            if word == b"missing":
                raise ScheduleNotFound(name)
            if word == b"ok":
                return
        raise StoreError(f"schedule {name} is being replaced over and over")

    def _run(self, script_name: str, name: str, arguments: list[Argument]) -> Any:
        with translated():
            keys = [self._keys.schedule(name), self._keys.schedules]
            return script(script_name).run(self._client, keys, arguments)

    def _now_ms(self) -> int:
        # redis-py types it in part.
        client: Any = self._client
        with translated():
            seconds, us = client.time()
        return int(seconds) * 1000 + int(us) // 1000


class DueSchedule(Struct, frozen=True):
    """A schedule that is due."""

    name: str
    revision: int
    due_ms: int
    timing: Timing
    misfire: Misfire
    grace_ms: int
    template: NewJob

    @classmethod
    def decode(cls, row: list[Any]) -> Self:
        """Read a row as `lua/due.lua` lists it."""
        name, revision, due_ms, timing, misfire, grace_ms, template, payload = row
        job = msgspec.json.decode(template, type=NewJob)
        return cls(
            name=name.decode(),
            revision=int(revision),
            due_ms=int(due_ms),
            timing=msgspec.json.decode(timing, type=Timing),
            misfire=msgspec.convert(misfire.decode(), Misfire),
            grace_ms=int(grace_ms),
            template=msgspec.structs.replace(job, payload=payload),
        )

    def job_at(self, due_ms: int) -> NewJob:
        """Return the job of one occurrence."""
        return msgspec.structs.replace(self.template, id=occurrence_id(self.name, self.revision, due_ms))


class Dues(Struct, frozen=True):
    """What is due, and when something will be."""

    now_ms: int
    next_in_ms: int | None
    schedules: list[DueSchedule]
    #: Names of those whose records cannot be read.
    damaged: list[str]

    @classmethod
    def decode(cls, reply: list[Any]) -> Self:
        """Read the reply of `lua/due.lua`."""
        now_ms, next_in_ms, *rows = reply
        schedules: list[DueSchedule] = []
        damaged: list[str] = []
        for row in rows:
            try:
                schedules.append(DueSchedule.decode(row))
            except (TypeError, ValueError, AttributeError, msgspec.MsgspecError):
                damaged.append(row[0].decode(errors="replace"))
        return cls(int(now_ms), None if next_in_ms < 0 else int(next_in_ms), schedules, damaged)


class Firing(Struct, frozen=True):
    """What is done about a schedule that is due."""

    schedule: DueSchedule
    #: The occurrences to fire, oldest first.
    due: Sequence[int]
    #: Made of the template, and complete.
    template: NewJob
    missed: int
    next_due_ms: int | None
    #: What is to be told of it. "": nothing.
    wrong: str = ""


class Fired(Struct, frozen=True):
    """What has been done."""

    error: str
    #: Whether that was not the case the last time.
    is_news: bool


class Dial:
    """The supervisors' side. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, caller: Caller, keys: Keys, retention: Retention) -> None:
        self._caller = caller
        self._keys = keys
        self._retention = retention

    async def close(self) -> None:
        """Close the connection."""
        await self._caller.aclose()

    async def due(self) -> Dues:
        """Return the schedules that are due."""
        return Dues.decode(await self._run("due", [self._keys.schedules], [self._keys.base, MAX_DUE]))

    async def fire(self, firing: Firing) -> Fired | None:
        """Store the jobs of occurrences that are due; None: somebody else has done it, or it has been changed."""
        keys, schedule = self._keys, firing.schedule
        jobs: list[Argument] = []
        for due_ms in firing.due:
            job_id = occurrence_id(schedule.name, schedule.revision, due_ms)
            jobs += [due_ms, *msgspec.structs.replace(firing.template, id=job_id).arguments()]
        next_due: Argument = "" if firing.next_due_ms is None else firing.next_due_ms
        reply = await self._run(
            "fire",
            [keys.schedule(schedule.name), keys.meta, keys.queues, keys.types, keys.tags],
            [
                *(keys.base, schedule.name, schedule.revision, schedule.due_ms, next_due, firing.missed, firing.wrong),
                *(*self._retention.arguments(), MAX_QUEUES, MAX_TYPES, MAX_TAGS, len(firing.due), *jobs),
            ],
        )
        return None if reply[0] == b"moved" else Fired(reply[1].decode(errors="replace"), bool(reply[2]))

    async def _run(self, name: str, keys: list[str], arguments: list[Argument]) -> Any:
        try:
            return await script(name).run_async(self._caller, keys, arguments)
        except FOREIGN as error:
            raise translate(error) from error
