"""Why a job is not running, or what it does instead: in words, and in the facts behind them."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from jobworker.api.fleet import PauseView, view_pause
from jobworker.api.views import format_instant
from jobworker.store.fleet import Queue, Supervisor
from jobworker.store.job import JobRecord
from jobworker.store.position import Position
from jobworker.store.states import JobState
from jobworker.store.stats import Period

#: Endings of ordinal numbers, but for those of 11 to 13.
_ENDINGS: Final = {1: "st", 2: "nd", 3: "rd"}


class HoldView(Struct, frozen=True):
    """A supervisor that does not run jobs of this type for a while."""

    supervisor: str
    why: str
    until: str


class ExplanationView(Struct, frozen=True, kw_only=True):
    """The answer to GET /jobs/{job_id}/explain. What does not apply is null, or empty."""

    id: str
    status: str
    summary: str
    #: 1: it is the next of its queue; of so many that are pending there.
    position: int | None = None
    pending: int | None = None
    pause: PauseView | None = None
    #: The living supervisors that serve its queue; those of them that can run its type; those that hold it back.
    supervisors: list[str] = []
    able: list[str] = []
    holds: list[HoldView] = []
    #: Jobs that the able ones run at once, and run now.
    workers: int | None = None
    busy: int | None = None
    #: When it would start if every job took as long as those of the last hour; null: nobody can tell.
    estimate_seconds: float | None = None


class Circumstances(Struct, frozen=True):
    """All that decides when a job that waits will start."""

    position: Position | None
    #: None: nothing ever waited there.
    queue: Queue | None
    supervisors: Sequence[Supervisor]
    last_hour: Period


def explain_waiting(record: JobRecord, found: Circumstances) -> ExplanationView:
    """Explain a job that is pending or scheduled."""
    serving = [one for one in found.supervisors if record.queue is None or one.serves(record.queue)]
    able = [one for one in serving if record.type in one.types]
    view = ExplanationView(
        id=record.id,
        status=record.status,
        summary="",
        position=None if found.position is None else found.position.ahead + 1,
        pending=None if found.position is None else found.position.pending,
        pause=None if found.queue is None else view_pause(found.queue.pause),
        supervisors=[one.name for one in serving],
        able=[one.name for one in able],
        holds=list(_holds(record, able)),
        workers=sum(one.workers or 0 for one in able),
        busy=sum(one.running for one in able),
        estimate_seconds=None,
    )
    seconds = _estimate(view, found.last_hour)
    reasons = "; ".join(_reasons(record, view, seconds))
    return msgspec.structs.replace(view, summary=reasons, estimate_seconds=seconds)


def explain_other(record: JobRecord) -> ExplanationView:
    """Explain a job that runs or has ended."""
    summary = _running(record) if record.status is JobState.RUNNING else _ended(record)
    return ExplanationView(id=record.id, status=record.status, summary=summary)


def _reasons(record: JobRecord, view: ExplanationView, seconds: float | None) -> Iterator[str]:
    if record.status is JobState.SCHEDULED:
        yield from _due(record)
    if view.position is not None:
        yield f"{ordinal(view.position)} of {view.pending} in queue {record.queue}"
    if view.pause is not None:
        what = "everything" if view.pause.queue is None else f"queue {view.pause.queue}"
        why = f": {view.pause.reason}" if view.pause.reason else ""
        yield f"{what} is paused by {view.pause.who} since {view.pause.since}{why}"
    yield from _hindrances(record, view)
    if seconds is not None and view.position is not None:
        yield "would start at once" if not seconds else f"would start in about {max(seconds, 1.0):.0f} s"


def _due(record: JobRecord) -> Iterator[str]:
    if record.run_at_ms is not None:
        left = max(record.run_at_ms - record.now_ms, 0) / 1000
        yield f"due at {format_instant(record.run_at_ms)}, in {left:.1f} s"
    if record.held:
        yield record.held
    elif record.failures + record.crashes:
        yield f"waits to be tried again after {record.failures + record.crashes} attempts"


def _hindrances(record: JobRecord, view: ExplanationView) -> Iterator[str]:
    if not view.supervisors:
        yield f"no living supervisor serves queue {record.queue}"
    elif not view.able:
        yield f"no supervisor that serves queue {record.queue} can run {record.type}"
    for hold in view.holds:
        yield f"{hold.supervisor} holds {record.type} until {hold.until}: {hold.why}"
    if view.able and view.workers is not None and view.busy is not None and view.busy >= view.workers:
        yield f"all {view.workers} workers are busy"


def _holds(record: JobRecord, able: Sequence[Supervisor]) -> Iterator[HoldView]:
    for one in able:
        for held in one.roster.held_types if one.roster else ():
            if held.type == record.type:
                yield HoldView(one.name, held.why, format_instant(held.until_ms))


def _estimate(view: ExplanationView, last_hour: Period) -> float | None:
    """Return the seconds until it would start: those before it, each taking the mean, shared among the workers."""
    hindered = view.pause is not None or not view.workers or view.position is None or len(view.holds) == len(view.able)
    if hindered:
        return None
    if view.position == 1 and (view.busy or 0) < (view.workers or 0):
        return 0.0
    runs = sum(sums.runs for sums in last_hour.types)
    if not runs:
        return None
    mean_seconds = sum(sums.wall_us for sums in last_hour.types) / 1e6 / runs
    return (view.position or 0) * mean_seconds / (view.workers or 1)


def _running(record: JobRecord) -> str:
    since = "" if record.started_ms is None else f" since {format_instant(record.started_ms)}"
    words = f"attempt {record.attempt} runs{since} in worker {record.worker} of {record.owner}"
    if record.cancel_requested_ms is not None:
        return f"{words}; it was cancelled at {format_instant(record.cancel_requested_ms)} and is being killed"
    if record.started_ms is None or not record.timeout_ms:
        return words
    return f"{words}; it is killed at {format_instant(record.started_ms + record.timeout_ms)} if it has not ended"


def _ended(record: JobRecord) -> str:
    when = "" if record.ended_ms is None else f" at {format_instant(record.ended_ms)}"
    error = None if record.error is None else f"{record.error.type}: {record.error.message}"
    why = "; ".join(part for part in (record.reason, error) if part) if record.status is not JobState.SUCCEEDED else ""
    return f"{record.status}{when}{': ' if why else ''}{why}"


def ordinal(number: int) -> str:
    """Return a number as a place in line.

    >>> ordinal(1), ordinal(12), ordinal(23)
    ('1st', '12th', '23rd')
    """
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else _ENDINGS.get(number % 10, 'th')}"
