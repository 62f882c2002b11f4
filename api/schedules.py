"""Schedules in requests and answers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from jobworker.api.declaration import given, milliseconds
from jobworker.api.errors import InvalidBody
from jobworker.api.schemas import Instant, JobRequest, Request, Seconds
from jobworker.api.submission import Submission, instant_ms
from jobworker.api.views import format_instant
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_DELAY_SECONDS
from jobworker.store.schedules import Misfire, NewSchedule, Occurrence, Overlap, Schedule
from jobworker.store.timing import BadTiming, Timing, check_timing, plain_cron

#: What JobRequest has and an occurrence cannot: it is due when the schedule says so.
_INSTANTS = ("delay", "run_at", "expires_at")
#: Nor these: its `overlap` says what becomes of two at a time.
_UNIQUE = ("unique_key", "on_conflict")


class ScheduleRequest(Request, frozen=True):
    """The body of PUT /schedules/{name}; exactly one of cron, every and at is given."""

    #: Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly.
    cron: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    #: IANA name of the zone that cron is meant in.
    timezone: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    every: Annotated[float, Meta(ge=1, le=MAX_DELAY_SECONDS), Seconds] | UnsetType = UNSET
    #: An instant at which `every` is due; all others are counted from it. Else from 1970 on.
    anchor: Instant | UnsetType = UNSET
    at: Instant | UnsetType = UNSET
    start: Instant | UnsetType = UNSET
    end: Instant | UnsetType = UNSET
    #: What each occurrence submits, as the body of POST /jobs.
    job: JobRequest | UnsetType = UNSET
    #: What becomes of an occurrence while the job of the one before has not ended.
    overlap: Overlap = "allow"
    #: What becomes of occurrences that are later than `grace`.
    misfire: Misfire = "once"
    grace: Annotated[float, Meta(ge=1, le=86_400), Seconds] = 60.0


class ScheduleQuery(Request, frozen=True):
    """The parameters of GET /schedules/{name}."""

    #: How many of the next times are told.
    preview: Annotated[int, Meta(ge=0, le=100)] = 0


class OccurrenceView(Struct, frozen=True):
    """One time at which it was due, and what became of that."""

    due_at: str
    at: str
    #: fired, skipped (the job before had not ended) or refused.
    outcome: str
    job: str


class ScheduleView(Struct, frozen=True, kw_only=True):
    """A schedule in an answer; what is absent is null."""

    name: str
    #: As it was put.
    cron: str | None
    timezone: str | None
    every: float | None
    anchor: str | None
    at: str | None
    start: str | None
    end: str | None
    #: Its payload is left out in a list.
    job: dict[str, Any]
    overlap: str
    misfire: str
    grace: float
    created_at: str
    changed_at: str
    #: Null: it is paused, or never due again.
    next_due: str | None
    paused_since: str | None
    paused_by: str | None
    pause_reason: str | None
    last_fired: str | None
    last_job: str | None
    last_error: str | None
    missed: int
    #: The last twenty, newest first.
    occurrences: list[OccurrenceView]
    preview: list[str] | UnsetType = UNSET


class SchedulesAnswer(Struct, frozen=True):
    """The answer to GET /schedules."""

    items: list[ScheduleView]


def new_schedule(name: str, request: ScheduleRequest, submission: Submission) -> NewSchedule:
    """Return the schedule that a request asks for. Raises RequestRefused, StoreUnavailable."""
    job = given(request.job, JobRequest())
    for field in _INSTANTS:
        if getattr(job, field) is not UNSET:
            raise InvalidBody(f"the job of a schedule has no {field}: it is due with it", pointer=f"/job/{field}")
    for field in _UNIQUE:
        if getattr(job, field) is not UNSET:
            raise InvalidBody(f"the job of a schedule has no {field}: overlap says it", pointer=f"/job/{field}")
    try:
        timing = _timing(request)
        check_timing(timing)
    except BadTiming as error:
        raise InvalidBody(str(error), pointer=f"/{error.field}") from error
    plain = msgspec.structs.replace(request, job=msgspec.structs.replace(job, payload=Raw(b"null")))
    return NewSchedule(
        name=name,
        timing=timing,
        overlap=request.overlap,
        misfire=request.misfire,
        grace_ms=milliseconds(request.grace),
        template=_template(job, submission),
        definition=msgspec.json.encode(plain),
    )


def view_schedule(schedule: Schedule, preview: int | None = None) -> ScheduleView:
    """Return a schedule, with its next times if asked for."""
    said: dict[str, Any] = msgspec.json.decode(schedule.definition)
    pause = schedule.pause
    return ScheduleView(
        name=schedule.name,
        **{field: said.get(field) for field in ("cron", "timezone", "every", "anchor", "at", "start", "end")},
        job=_view_job(schedule, said.get("job", {})),
        overlap=said.get("overlap", "allow"),
        misfire=said.get("misfire", "once"),
        grace=said.get("grace", 60.0),
        created_at=format_instant(schedule.created_ms),
        changed_at=format_instant(schedule.changed_ms),
        next_due=_instant(schedule.next_due_ms),
        paused_since=None if pause is None else format_instant(pause.since_ms),
        paused_by=None if pause is None else pause.note.who,
        pause_reason=None if pause is None else pause.note.reason,
        last_fired=_instant(schedule.last_fired_ms),
        last_job=schedule.last_job,
        last_error=schedule.last_error,
        missed=schedule.missed,
        occurrences=[_view_occurrence(one) for one in schedule.occurrences],
        preview=UNSET if preview is None else _preview(schedule, preview),
    )


def _timing(request: ScheduleRequest) -> Timing:
    if request.timezone is not UNSET and request.cron is UNSET:
        raise BadTiming("timezone goes with cron only: other times bear their offset", field="timezone")
    return Timing(
        cron=None if request.cron is UNSET else plain_cron(request.cron),
        timezone=given(request.timezone, "UTC"),
        every_ms=None if request.every is UNSET else milliseconds(request.every),
        anchor_ms=instant_ms(request.anchor, "anchor") or 0,
        at_ms=instant_ms(request.at, "at"),
        start_ms=instant_ms(request.start, "start"),
        end_ms=instant_ms(request.end, "end"),
    )


def _template(request: JobRequest, submission: Submission) -> NewJob:
    """Return what the request says, checked as one to POST /jobs; what it leaves open is decided at each occurrence."""
    try:
        job = submission.new_job(request)
    except InvalidBody as error:
        raise InvalidBody(str(error), pointer=f"/job{error.pointer}") from error
    left_out: dict[str, Any] = {
        "queue": "",
        "priority": 0,
        **dict.fromkeys(("max_attempts", "max_crashes", "memory_limit_mb", "backoff")),
    }
    open_fields = {field: value for field, value in left_out.items() if getattr(request, field) is UNSET}
    if request.timeout is UNSET:
        open_fields["timeout_ms"] = None
    return msgspec.structs.replace(job, **open_fields)


def _view_job(schedule: Schedule, said: dict[str, Any]) -> dict[str, Any]:
    job = {"type": schedule.template.type, **said}
    job.pop("payload", None)
    return job if schedule.payload is None else {**job, "payload": Raw(schedule.payload)}


def _preview(schedule: Schedule, count: int) -> list[str]:
    return [format_instant(due_ms) for due_ms in schedule.timing.preview(schedule.now_ms, count)]


def _view_occurrence(one: Occurrence) -> OccurrenceView:
    return OccurrenceView(format_instant(one.due_ms), format_instant(one.at_ms), one.outcome, one.job)


def _instant(ms: int | None) -> str | None:
    return None if ms is None else format_instant(ms)
