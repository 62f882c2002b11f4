"""Whether jobs and indexes agree: each job in the one state index that its record says. Looks while work goes on."""

from collections.abc import Iterator, Sequence
from typing import Any

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.flaws import STEP, Flaw, Kind, Report
from jobworker.store.keys import Keys
from jobworker.store.place import PLACE_FIELDS, Place, place_of
from jobworker.store.retention import Retention
from jobworker.store.secondary import SecondaryAudit
from jobworker.store.states import ENDED, JobState


class _Standing(Struct, frozen=True):
    """A job and the indexes that may name it, all read in one moment."""

    known: bool
    #: Where its record says that it stands, and the score there.
    place: Place | None
    listed_score: int | None
    #: Whether anybody looks into that index.
    is_seen: bool
    #: Its score in the index in which it was found.
    found_score: int | None


class Audit:
    """Walks the indexes, then the records, at most `most` entries of each (None: all); changes nothing.

    Work goes on meanwhile: what looks wrong is read again, all in one moment, before it is called a flaw.
    """

    def __init__(self, client: redis.Redis, keys: Keys, retention: Retention, *, most: int | None) -> None:
        # redis-py's pipelines and scans are not typed.
        self._client: Any = client
        self._keys = keys
        self._retention = retention
        self._most = most
        self._report = Report()
        self._secondary = SecondaryAudit(client, keys, self._report, most=most)

    def run(self) -> Report:
        """Return what is wrong."""
        with translated():
            for index in self._sorted_indexes():
                self._walk_index(index, self._client.zscan_iter(index, count=STEP))
            for index in self._running_indexes():
                self._walk_index(index, self._client.hscan_iter(index, count=STEP))
            self._secondary.walk()
            self._walk_records()
            self._walk_logs()
            self._walk_unique_keys()
        return self._report

    def _sorted_indexes(self) -> list[str]:
        queues = sorted(name.decode() for name in self._client.smembers(self._keys.queues))
        ended = (self._keys.ended(status) for status in sorted(ENDED))
        return [self._keys.scheduled, *map(self._keys.ready, queues), *ended]

    def _running_indexes(self) -> list[str]:
        members = self._client.zrange(self._keys.supervisors, 0, -1)
        names = (member.decode().rsplit(":", 1) for member in members)
        return [self._keys.running(name, int(epoch)) for name, epoch in names]

    def _walk_index(self, index: str, scan: Iterator[tuple[bytes, Any]]) -> None:
        for entries in self._report.steps(((job_id.decode(), int(score)) for job_id, score in scan), self._most):
            records = self._read_records([job_id for job_id, _ in entries])
            self._report.entries += len(entries)
            for (job_id, score), record in zip(entries, records, strict=True):
                if self._place(record) != Place(index, score):
                    self._note(job_id, index, self._flaw_of_entry(self._stand(job_id, index), index))

    def _walk_records(self) -> None:
        prefix = self._keys.job("")
        keys = self._client.scan_iter(match=f"{prefix}*", count=STEP)
        # What belongs to a job besides its record has a further part in its name.
        names = (name for key in keys if ":" not in (name := key.decode()[len(prefix) :]))
        for ids in self._report.steps(names, self._most):
            self._report.records += len(ids)
            self._secondary.check(ids)
            for job_id in self._doubtful(ids):
                standing = self._stand(job_id, self._keys.scheduled)
                index = standing.place.index if standing is not None and standing.place is not None else "none"
                self._note(job_id, index, _flaw_of_record(standing))

    def _walk_logs(self) -> None:
        prefix = self._keys.job("")
        keys = self._client.scan_iter(match=self._keys.log("*"), count=STEP)
        names = (key.decode()[len(prefix) :].removesuffix(":log") for key in keys)
        for ids in self._report.steps(names, self._most):
            for job_id in self._without_record(ids):
                # Read again in one moment: it may just have been deleted with its record.
                with self._client.pipeline(transaction=True) as pipeline:
                    pipeline.exists(self._keys.job(job_id))
                    pipeline.exists(self._keys.log(job_id))
                    if pipeline.execute() == [0, 1]:
                        self._note(job_id, self._keys.log(job_id), Kind.STRAY)

    def _walk_unique_keys(self) -> None:
        prefix = self._keys.unique("")
        keys = self._client.scan_iter(match=f"{prefix}*", count=STEP)
        digests = (key.decode().removeprefix(prefix) for key in keys)
        for step in self._report.steps(digests, self._most):
            for digest in step:
                if self._is_void(digest):
                    self._note(digest, self._keys.unique(digest), Kind.VOID)

    def _is_void(self, digest: str) -> bool:
        """Whether the key names a job that does not have it, or has ended; one that has expired lets go soon."""
        key = self._keys.unique(digest)
        holder = self._client.get(key)
        if holder is None:
            return False
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.get(key)
            pipeline.hmget(self._keys.job(holder.decode()), "unique", "status")
            present, (unique, status) = pipeline.execute()
        return present == holder and (unique != digest.encode() or status is None or status.decode() in ENDED)

    def _without_record(self, ids: Sequence[str]) -> list[str]:
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.exists(self._keys.job(job_id))
            return [job_id for job_id, known in zip(ids, pipeline.execute(), strict=True) if not known]

    def _doubtful(self, ids: Sequence[str]) -> list[str]:
        """Return those that seem not to stand where they should."""
        places = [self._place(record) for record in self._read_records(ids)]
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id, place in zip(ids, places, strict=True):
                self._ask_place(pipeline, job_id, place)
            found = pipeline.execute()
        rows = zip(ids, places, found[::2], found[1::2], strict=True)
        return [job_id for job_id, place, score, seen in rows if place is None or score is None or not _is_yes(seen)]

    def _stand(self, job_id: str, index: str) -> _Standing | None:
        """Read a job and its indexes in one moment; None: it has moved since its record was read."""
        place = self._place(*self._read_records([job_id]))
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(self._keys.job(job_id), PLACE_FIELDS)
            self._ask_score(pipeline, index, job_id)
            self._ask_place(pipeline, job_id, place)
            record, found_score, listed_score, seen = pipeline.execute()
        if self._place(record) != place:
            return None
        known = any(value is not None for value in record)
        return _Standing(known, place, _number(listed_score), _is_yes(seen), _number(found_score))

    def _flaw_of_entry(self, standing: _Standing | None, index: str) -> Kind | None:
        if standing is None or standing.found_score is None:
            return None
        if not standing.known:
            return self._flaw_of_orphan(standing.found_score, index)
        if standing.place is None:
            return Kind.DAMAGED
        if standing.place.index == index:
            return None if standing.place.score == standing.found_score else Kind.DISORDERED
        return Kind.ELSEWHERE if standing.listed_score is None else Kind.DOUBLED

    def _flaw_of_orphan(self, score: int, index: str) -> Kind | None:
        if not index.startswith(self._keys.ended("")):
            return Kind.GONE
        is_failed = index == self._keys.ended(JobState.FAILED)
        keep_ms = self._retention.keep_failed_ms if is_failed else self._retention.keep_ms
        # An entry outlives its record: it goes when others come.
        return Kind.FORGOTTEN if score + keep_ms > self._client.time()[0] * 1000 else None

    def _note(self, job_id: str, index: str, kind: Kind | None) -> None:
        if kind is not None:
            self._report.flaws.append(Flaw(kind, job_id, index.removeprefix(self._keys.base)))

    def _read_records(self, ids: Sequence[str]) -> list[list[bytes | None]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hmget(self._keys.job(job_id), PLACE_FIELDS)
            records: list[list[bytes | None]] = pipeline.execute()
        return records

    def _place(self, record: Sequence[bytes | None]) -> Place | None:
        fields = zip(PLACE_FIELDS, record, strict=True)
        try:
            return place_of(self._keys, {name: value.decode() for name, value in fields if value is not None})
        except (KeyError, ValueError):
            return None

    def _ask_place(self, pipeline: Any, job_id: str, place: Place | None) -> None:
        """Ask two things: the job's score in its place, and whether anybody looks there."""
        keys = self._keys
        index = keys.scheduled if place is None else place.index
        self._ask_score(pipeline, index, job_id)
        kind, _, name = index.removeprefix(keys.base).partition(":")
        if kind == "ready":
            pipeline.sismember(keys.queues, name)
        elif kind == "running":
            pipeline.zscore(keys.supervisors, name)
        else:
            pipeline.echo("seen")

    def _ask_score(self, pipeline: Any, index: str, job_id: str) -> None:
        if index.startswith(f"{self._keys.base}running:"):
            pipeline.hget(index, job_id)
        else:
            pipeline.zscore(index, job_id)


def _flaw_of_record(standing: _Standing | None) -> Kind | None:
    if standing is None or not standing.known:
        return None
    if standing.place is None:
        return Kind.DAMAGED
    if standing.listed_score is None:
        return Kind.UNLISTED
    return None if standing.is_seen else Kind.UNSEEN


def _is_yes(seen: object) -> bool:
    """Read the answer to whether anybody looks there. A score may be 0.0: a successor will reap it."""
    return bool(seen) or isinstance(seen, float)


def _number(score: bytes | float | None) -> int | None:
    return None if score is None else int(score)
