"""Lists of jobs, a page at a time: the filter, the page, and the cursor that leads from one to the next."""

from base64 import b64decode, urlsafe_b64encode
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import Meta, Struct

from jobworker.store.errors import BadCursor, RecordDamaged
from jobworker.store.job import JobSummary
from jobworker.store.limits import Name, Tag
from jobworker.store.scripts import Argument
from jobworker.store.states import JobState

#: The fields of a job's hash that a list reads: no payload, no result, no attempts.
FIELDS: Final = tuple(name for name in JobSummary.__struct_fields__ if name not in ("now_ms", "id"))


Moment = Annotated[int, Meta(ge=0, lt=2**53)]


class JobFilter(Struct, frozen=True, array_like=True):
    """Which jobs: those of which every value given is true."""

    status: JobState | None = None
    type: Name | None = None
    queue: Name | None = None
    tag: Tag | None = None
    #: Created then or later, and created before then: ms.
    created_after_ms: Moment | None = None
    created_before_ms: Moment | None = None

    def arguments(self) -> list[Argument]:
        """Return the values as `lua/list.lua` takes them."""
        words = [self.status, self.type, self.queue, self.tag]
        times = [self.created_after_ms, self.created_before_ms]
        return [*(word or "" for word in words), *("" if time is None else time for time in times)]


class Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the next page begins: behind the entry (score, id) of the index that was walked so far."""

    walk: Literal["status", "type", "tag"]
    wanted: JobFilter
    score: Moment
    id: Annotated[str, Meta(min_length=1, max_length=128)]

    def encode(self) -> str:
        """Return it as a client keeps it."""
        return urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, wanted: JobFilter) -> Self:
        """Read what `encode` has written for the same filter. Raises BadCursor."""
        try:
            padded = text + "=" * (-len(text) % 4)
            cursor = msgspec.json.decode(b64decode(padded, altchars="-_", validate=True), type=cls)
        except ValueError:
            raise BadCursor from None
        if cursor.wanted != wanted:
            raise BadCursor("the cursor belongs to a list with other filters; leave it out to begin anew")
        if cursor.walk != "type" and getattr(wanted, cursor.walk) is None:
            raise BadCursor
        return cursor


class JobPage(Struct, frozen=True):
    """Some of the jobs; it may be short, or even empty, and yet not the last."""

    jobs: list[JobSummary]
    #: What leads to the next page; None: this was the last.
    next_cursor: str | None

    @classmethod
    def decode(cls, reply: list[Any], wanted: JobFilter) -> Self:
        """Read the reply of `lua/list.lua`. A job whose status cannot be read is left out."""
        now_ms, walk, position, rows = reply
        jobs: list[JobSummary] = []
        for row in rows:
            with suppress(RecordDamaged):
                jobs.append(_decode_row(row, int(now_ms)))
        if not position:
            return cls(jobs, None)
        return cls(jobs, Cursor(walk.decode(), wanted, int(position[0]), position[1].decode()).encode())


def page_arguments(wanted: JobFilter, cursor: str | None) -> list[Argument]:
    """Return what says where a page begins, as `lua/list.lua` takes it. Raises BadCursor."""
    if cursor is None:
        return [*wanted.arguments(), "", "", ""]
    position = Cursor.decode(cursor, wanted)
    return [*wanted.arguments(), position.walk, position.score, position.id]


def _decode_row(row: list[Any], now_ms: int) -> JobSummary:
    job_id, *values = row
    found = {name.encode(): value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    return JobSummary.decode(job_id.decode(), now_ms, found)
