"""How queues, supervisors, workers and handlers look in an answer; what is absent is null."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from jobworker.api.views import format_instant
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.fleet import Queue, QueueShare, RunningJob, Supervisor, Worker
from jobworker.store.keys import ALL_QUEUES
from jobworker.store.pause import Pause
from jobworker.store.roster import HeldSlot, HeldType

Item = TypeVar("Item")


class Items(Struct, Generic[Item], frozen=True):
    """The answer to a question for all of a kind."""

    items: list[Item]


class PauseView(Struct, frozen=True):
    """Why nothing is claimed; no queue: from any."""

    queue: str | None
    who: str
    since: str
    reason: str | None


class QueueView(Struct, frozen=True):
    """What waits in a queue."""

    name: str
    pending: int
    by_priority: Mapping[int, int]
    #: Since when the job that waits longest has been due, and how long that is.
    oldest_at: str | None
    oldest_seconds: float | None
    pause: PauseView | None
    supervisors: tuple[str, ...]


class HeldTypeView(Struct, frozen=True):
    """A type whose jobs a supervisor does not run for a while, because they keep crashing."""

    type: str
    why: str
    since: str
    #: When one job of it is tried.
    until: str


class HeldSlotView(Struct, frozen=True):
    """A place for a worker that is not filled for the time being."""

    slot: int
    until: str
    why: str


class SupervisorView(Struct, frozen=True):
    """A living supervisor."""

    name: str
    epoch: int
    host: str | None
    pid: int | None
    version: str | None
    workers: int | None
    #: Empty: it serves every queue.
    queues: tuple[QueueShare, ...]
    started_at: str
    heard_at: str | None
    lease_left_seconds: float
    running: int
    restarts: int | None
    #: The longest time that its loop was blocked, in the last minute and since it started.
    loop_lag_ms: float | None
    loop_lag_most_ms: float | None
    held_types: list[HeldTypeView] | None
    held_slots: list[HeldSlotView] | None
    #: Why the handler code on disk is not the one that runs; null: it is, as far as is known.
    stale: str | None
    #: Attempts whose result or output was dropped, because they were no longer its own.
    stale_writes: int | None


class RunningJobView(Struct, frozen=True):
    """The job that a worker runs."""

    id: str
    type: str
    attempt: int
    started_at: str
    run_seconds: float


class WorkerView(Struct, frozen=True):
    """A worker process."""

    supervisor: str
    pid: int
    state: str
    started_at: str | None
    jobs: int | None
    rss_bytes: int | None
    cpu_seconds: float | None
    job: RunningJobView | None


class HandlerView(Struct, frozen=True):
    """A type that the supervisors can run. Of `defaults`, what its declaration leaves open is left out."""

    type: str
    description: str
    schema: Mapping[str, Any]
    defaults: HandlerDefaults
    digest: str
    seen_at: str


def view_queue(queue: Queue) -> QueueView:
    """Show a queue."""
    oldest_ms = queue.oldest_ms
    return QueueView(
        name=queue.name,
        pending=queue.pending,
        by_priority=queue.by_priority,
        oldest_at=None if oldest_ms is None else format_instant(oldest_ms),
        oldest_seconds=None if oldest_ms is None else (queue.now_ms - oldest_ms) / 1000,
        pause=view_pause(queue.pause),
        supervisors=queue.supervisors,
    )


def view_supervisor(supervisor: Supervisor) -> SupervisorView:
    """Show a supervisor."""
    silent_ms, roster = supervisor.silent_ms, supervisor.roster
    return SupervisorView(
        name=supervisor.name,
        epoch=supervisor.epoch,
        host=supervisor.host,
        pid=supervisor.pid,
        version=supervisor.version,
        workers=supervisor.workers,
        queues=supervisor.queues,
        started_at=format_instant(supervisor.epoch // 1000),
        heard_at=None if silent_ms is None else format_instant(supervisor.now_ms - silent_ms),
        lease_left_seconds=supervisor.lease_left_ms / 1000,
        running=supervisor.running,
        restarts=None if roster is None else roster.restarts,
        loop_lag_ms=None if roster is None else roster.loop_lag_ms,
        loop_lag_most_ms=None if roster is None else roster.loop_lag_most_ms,
        held_types=None if roster is None else list(map(_view_held_type, roster.held_types)),
        held_slots=None if roster is None else list(map(_view_held_slot, roster.held_slots)),
        stale=None if roster is None else roster.stale or None,
        stale_writes=None if roster is None else roster.stale_writes,
    )


def _view_held_type(held: HeldType) -> HeldTypeView:
    return HeldTypeView(held.type, held.why, format_instant(held.since_ms), format_instant(held.until_ms))


def _view_held_slot(held: HeldSlot) -> HeldSlotView:
    return HeldSlotView(held.slot, format_instant(held.until_ms), held.why)


def view_worker(worker: Worker) -> WorkerView:
    """Show a worker."""
    return WorkerView(
        supervisor=worker.supervisor,
        pid=worker.pid,
        state=worker.state,
        started_at=None if worker.started_ms is None else format_instant(worker.started_ms),
        jobs=worker.jobs,
        rss_bytes=worker.rss_bytes,
        cpu_seconds=worker.cpu_seconds,
        job=_view_running_job(worker.job),
    )


def view_handler(entry: HandlerEntry) -> HandlerView:
    """Show a handler."""
    return HandlerView(
        type=entry.type,
        description=entry.description,
        schema=entry.schema,
        defaults=entry.defaults,
        digest=entry.digest,
        seen_at=format_instant(entry.seen_ms),
    )


def view_pause(pause: Pause | None) -> PauseView | None:
    """Show a pause."""
    if pause is None:
        return None
    queue = None if pause.queue == ALL_QUEUES else pause.queue
    return PauseView(queue, pause.who, format_instant(pause.since_ms), pause.reason)


def _view_running_job(job: RunningJob | None) -> RunningJobView | None:
    if job is None:
        return None
    return RunningJobView(job.id, job.type, job.attempt, format_instant(job.started_ms), job.ran_ms / 1000)
