"""What Redis must hold, key by key, as the reference sees it; and what it holds, as far as the reference knows it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from jobworker.store.states import ENDED, JobState
from tests.model.store.clients import Clients
from tests.model.store.fleet import Fleet, Record
from tests.model.store.job import Job
from tests.model.store.shelf import Shelf

#: The fields of a job's record that the reference knows by value, and those of which it knows whether they are there.
VALUES: Final = (
    *("type", "queue", "priority", "status", "first_status", "created_ms", "run_at_ms", "expires_ms", "sequence"),
    *("max_attempts", "max_crashes", "attempt", "failures", "crashes", "owner", "epoch", "token", "worker"),
    *("started_ms", "ended_ms", "cancel_requested_ms", "unhandled_ms", "reason", "held", "stack", "progress_ms"),
    *("attempts_kept", "log_bytes", "ahead"),
)
PRESENCES: Final = ("error", "result")
RECORD: Final = ("epoch", "lease_end", "lock_id", "held_since", "last_call", "last_tally")
META: Final = ("sequence", "last_beat", "reap_after")

Image = dict[str, Any]


def expected(shelf: Shelf, clients: Clients, fleet: Fleet) -> Image:
    """Return every key that must be there; which jobs an index names follows from the jobs alone."""
    image: defaultdict[str, Any] = defaultdict(dict)
    for job in shelf.jobs.values():
        image[f"job:{job.id}"] = _job(job)
        if job.log_bytes is not None:
            image[f"job:{job.id}:log"] = f"{job.log_bytes} {job.log_token} {job.log_position}"
        for index, score in _entries(job):
            image[index][job.id] = score
    for (name, epoch), requests in fleet.requests.items():
        image[f"requests:{name}:{epoch}"] = dict(requests)
    for name, record in fleet.records.items():
        image[f"supervisor:{name}"] = _record(record)
    image["supervisors"] = {f"{name}:{epoch}": lease_end for (name, epoch), lease_end in fleet.members.items()}
    image["queues"] = set(shelf.queues)
    image["types"] = {job.type for job in shelf.jobs.values()}
    image["paused"] = set(clients.paused)
    image["handlers"] = set(fleet.catalogue)
    counters = zip(META, (shelf.sequence, fleet.last_beat, fleet.reap_after), strict=True)
    image["meta"] = {name: value for name, value in counters if value}
    image["tallied"] = dict(fleet.tallied)
    return {key: value for key, value in image.items() if value}


def found(snapshot: Image) -> Image:
    """Return the same of Redis. Left out are hints, chunks of output, and what is opaque."""
    image = {key: _known(key, value) for key, value in snapshot.items()}
    return {key: value for key, value in (image | {"tallied": _tallied(snapshot)}).items() if value}


def _known(key: str, value: Any) -> Any:
    """Return what the reference knows of a key; None: nothing."""
    kind, _, name = key.partition(":")
    if kind in _KNOWN:
        return _KNOWN[kind](value)
    if kind == "job" and name.endswith(":log"):
        return f"{value['written_bytes']} {value['position']}"
    if kind == "job":
        fields = {name: value[name] for name in VALUES if name in value}
        return fields | {name: "is there" for name in PRESENCES if name in value}
    return value


_KNOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "supervisor": lambda record: {name: record[name] for name in (*RECORD, "proven")},
    "cancels": lambda entries: {job_id: int(entry.partition(" ")[0]) for job_id, entry in entries.items()},
    "running": lambda entries: {job_id: int(token) for job_id, token in entries.items()},
    "meta": lambda counters: {name: int(counters[name]) for name in META if name in counters},
    **dict.fromkeys(("paused", "handlers"), set),
    **dict.fromkeys(("inbox", "wake", "stats_minute", "stats_hour", "stats_total"), lambda _: None),
}


def _tallied(snapshot: Image) -> dict[str, int]:
    """Return how many attempts the sums of all minutes count, by type."""
    counts: dict[str, int] = {}
    for key, value in snapshot.items():
        for figure, count in value.items() if key.startswith("stats_minute:") else ():
            type_name, _, name = figure.partition(":")
            if name == "succeeded":
                counts[type_name] = counts.get(type_name, 0) + int(count)
    return counts


def _job(job: Job) -> dict[str, str]:
    values = {name: getattr(job, name) for name in VALUES}
    fields = {name: str(value) for name, value in values.items() if value is not None}
    return fields | {name: "is there" for name in PRESENCES if getattr(job, name) is not None}


def _record(record: Record) -> dict[str, str]:
    return {name: str(getattr(record, name)) for name in RECORD} | {"proven": str(int(record.proven))}


def _entries(job: Job) -> Iterator[tuple[str, int | None]]:
    """Yield the one state index that names the job, then the secondary ones."""
    if job.status in ENDED:
        yield f"ended:{job.status}", job.ended_ms
    if job.status is JobState.PENDING:
        yield f"ready:{job.queue}", job.score
    if job.status is JobState.SCHEDULED:
        yield "scheduled", job.run_at_ms
    if job.status is JobState.RUNNING:
        yield f"running:{job.owner}:{job.epoch}", job.token
    if job.status is JobState.RUNNING and job.cancel_requested_ms is not None:
        yield f"cancels:{job.owner}:{job.epoch}", job.token
    if job.waits and not job.spent and job.expires_ms is not None:
        yield "expiring", job.expires_ms
    yield "created", job.created_ms
    yield f"by_type:{job.type}", job.created_ms
