"""Whether the secondary indexes agree with the jobs: all jobs, those of a type or with a tag, those that may expire."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from jobworker.store.flaws import STEP, Flaw, Kind, Report
from jobworker.store.keys import Keys
from jobworker.store.place import Place
from jobworker.store.states import ENDED, JobState

#: The fields of a job's record that say which secondary indexes name it.
_FIELDS: Final = ("status", "type", "created_ms", "expires_ms", "failures", "crashes", "tags")


class _Filing(Struct, frozen=True):
    """What a job's record says about the secondary indexes."""

    #: Registers of names, each with one that must be in it.
    names: tuple[tuple[str, str], ...]
    places: tuple[Place, ...]


class SecondaryAudit:
    """Walks the secondary indexes, at most `most` entries of each (None: all), and looks for given jobs in them.

    As the audit of the state indexes does, it reads what looks wrong again before it calls it a flaw.
    """

    def __init__(self, client: Any, keys: Keys, report: Report, *, most: int | None) -> None:
        self._client = client
        self._keys = keys
        self._report = report
        self._most = most

    def walk(self) -> None:
        """Look at every entry. Comes after the state indexes: what is wrong there is not told twice."""
        keys = self._keys
        types, tags = self._named(keys.types, keys.by_type), self._named(keys.tags, keys.by_tag)
        for index in (keys.created, keys.expiring, *types, *tags):
            self._walk_index(index)

    def check(self, ids: Sequence[str]) -> None:
        """Look for what these jobs are missing from."""
        filings = [self._filing(record) for record in self._ask_records(ids)]
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id, filing in zip(ids, filings, strict=True):
                self._ask_filing(pipeline, job_id, filing)
            answers: Iterator[Any] = iter(pipeline.execute())
        for job_id, filing in zip(ids, filings, strict=True):
            if _missing(filing, answers):
                self._check_again(job_id)

    def _walk_index(self, index: str) -> None:
        known = {flaw.name for flaw in self._report.flaws}
        scan = self._client.zscan_iter(index, count=STEP)
        for entries in self._report.steps(((name.decode(), int(score)) for name, score in scan), self._most):
            self._report.entries += len(entries)
            records = self._ask_records([job_id for job_id, _ in entries])
            for (job_id, score), record in zip(entries, records, strict=True):
                filing = self._filing(record)
                is_right = filing is not None and Place(index, score) in filing.places
                if not is_right and job_id not in known:
                    self._note(self._flaw_of_entry(job_id, index), job_id, index)

    def _flaw_of_entry(self, job_id: str, index: str) -> Kind | None:
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(self._keys.job(job_id), _FIELDS)
            pipeline.zscore(index, job_id)
            for status in sorted(ENDED):
                pipeline.zscore(self._keys.ended(status), job_id)
            record, score, *ended = pipeline.execute()
        if score is None:
            return None
        if not any(record):
            # An ended job whose own TTL has taken it leaves all indexes with its entry there.
            return Kind.LEFT if set(ended) == {None} else None
        filing = self._filing(record)
        return None if filing is None or Place(index, int(score)) in filing.places else Kind.MISFILED

    def _check_again(self, job_id: str) -> None:
        filing = self._filing(self._ask_records([job_id])[0])
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(self._keys.job(job_id), _FIELDS)
            self._ask_filing(pipeline, job_id, filing)
            record, *answers = pipeline.execute()
        # Otherwise it has moved since its record was read.
        if self._filing(record) == filing:
            for index in _missing(filing, iter(answers)):
                self._note(Kind.OMITTED, job_id, index)

    def _named(self, register: str, index_of: Callable[[str], str]) -> list[str]:
        """Return the indexes of the names in a register; a name without one is a flaw."""
        names = sorted(name.decode() for name in self._client.smembers(register))
        for name in names:
            if self._is_empty(register, name, index_of(name)):
                self._note(Kind.EMPTY, name, register)
        return [index_of(name) for name in names]

    def _is_empty(self, register: str, name: str, index: str) -> bool:
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.sismember(register, name)
            pipeline.exists(index)
            return bool(pipeline.execute() == [1, 0])

    def _ask_records(self, ids: Sequence[str]) -> list[list[bytes | None]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hmget(self._keys.job(job_id), _FIELDS)
            records: list[list[bytes | None]] = pipeline.execute()
        return records

    def _ask_filing(self, pipeline: Any, job_id: str, filing: _Filing | None) -> None:
        """Ask for what `_missing` reads."""
        if filing is not None:
            for register, name in filing.names:
                pipeline.sismember(register, name)
            for place in filing.places:
                pipeline.zscore(place.index, job_id)

    def _filing(self, record: Sequence[bytes | None]) -> _Filing | None:
        fields = zip(_FIELDS, record, strict=True)
        try:
            return _filing_of(self._keys, {name: value.decode() for name, value in fields if value is not None})
        except (KeyError, ValueError):
            # Gone, or damaged, which the audit of the state indexes tells.
            return None

    def _note(self, kind: Kind | None, name: str, index: str) -> None:
        if kind is not None:
            self._report.flaws.append(Flaw(kind, name, index.removeprefix(self._keys.base)))


def _filing_of(keys: Keys, job: Mapping[str, str]) -> _Filing:
    created_ms = int(job["created_ms"])
    tags = job.get("tags", "").split()
    indexes = (keys.created, keys.by_type(job["type"]), *map(keys.by_tag, tags))
    places = [Place(index, created_ms) for index in indexes]
    waits = job["status"] in (JobState.PENDING, JobState.SCHEDULED)
    if "expires_ms" in job and waits and int(job["failures"]) + int(job["crashes"]) == 0:
        places.append(Place(keys.expiring, int(job["expires_ms"])))
    names = ((keys.types, job["type"]), *((keys.tags, tag) for tag in tags))
    return _Filing(names, tuple(places))


def _missing(filing: _Filing | None, answers: Iterator[Any]) -> list[str]:
    """Take the answers to what was asked about a job; return the indexes that do not name it."""
    if filing is None:
        return []
    indexes = [*(register for register, _ in filing.names), *(place.index for place in filing.places)]
    found = [next(answers) for _ in indexes]
    return [index for index, answer in zip(indexes, found, strict=True) if answer in (None, 0, False)]
