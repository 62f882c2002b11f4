"""/schedules: what is submitted by the clock."""

import re
from typing import Final

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.body import read_body
from jobworker.api.errors import NotAName
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters, read_query, who_asks
from jobworker.api.repeater import Repeater
from jobworker.api.schedules import (
    ScheduleQuery,
    ScheduleRequest,
    SchedulesAnswer,
    ScheduleView,
    new_schedule,
    view_schedule,
)
from jobworker.api.schemas import EmptyRequest, ReasonRequest
from jobworker.api.scopes import Scope
from jobworker.api.submission import Submission
from jobworker.store.errors import ScheduleNotFound
from jobworker.store.idempotency import Acceptance, new_request
from jobworker.store.ids import new_job_id
from jobworker.store.job import Note
from jobworker.store.jobs import JobStore
from jobworker.store.limits import NAME_PATTERN

#: What is said when nobody knows whether it was done.
DOUBT: Final = "it may have been done: GET /schedules tells, and asking again does no harm"


class Schedules:
    """All schedules."""

    def __init__(self, store: JobStore, available: Availability) -> None:
        self._schedules = store.schedules
        self._available = available

    @operation("List the schedules", Scope.READ, {200: SchedulesAnswer})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show all schedules, by name."""
        allow_no_parameters(req)
        with self._available:
            found = self._schedules.all()
        resp.data = msgspec.json.encode(SchedulesAnswer([view_schedule(one) for one in found]))

    on_head = on_get


class Schedule:
    """One schedule."""

    def __init__(self, store: JobStore, available: Availability, submission: Submission, repeater: Repeater) -> None:
        self._schedules = store.schedules
        self._available = available
        self._submission = submission
        self._repeater = repeater

    @operation("Show a schedule", Scope.READ, {200: ScheduleView}, query=ScheduleQuery, errors=(404,))
    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show a schedule, what became of its last occurrences, and as many of its next times as are asked for."""
        query = read_query(req, ScheduleQuery)
        with self._available:
            found = self._schedules.get(name)
        resp.data = msgspec.json.encode(view_schedule(found, query.preview))

    on_head = on_get

    @operation(
        "Create or replace a schedule",
        Scope.OPERATE,
        {200: ScheduleView, 201: ScheduleView},
        body=ScheduleRequest,
        errors=(404, 422),
    )
    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Create a schedule (201) or replace it (200); while its times stay as they are it keeps its place in them."""
        if not re.match(NAME_PATTERN, name):
            raise NotAName(f"{name[:100]!r} cannot be the name of a schedule")
        request = read_body(req, ScheduleRequest)
        with self._available:
            new = new_schedule(name, request, self._submission)
        call = new_request()
        created = self._repeater.do(lambda: self._schedules.put(new, call), DOUBT)
        with self._available:
            found = self._schedules.get(name)
        resp.status = falcon.HTTP_201 if created else falcon.HTTP_200
        resp.data = msgspec.json.encode(view_schedule(found))

    @operation("Delete a schedule", Scope.OPERATE, {204: None}, errors=(404,))
    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Forget a schedule; the jobs that it has submitted stay."""
        allow_no_parameters(req)
        self._repeater.do(lambda: self._schedules.delete(name), DOUBT, again=lambda: self._delete_again(name))
        resp.status = falcon.HTTP_204

    def _delete_again(self, name: str) -> None:
        # If it is not there, the call whose answer got lost has deleted it.
        try:
            self._schedules.delete(name)
        except ScheduleNotFound:
            return


class PauseSchedule:
    """A schedule that is due no more until it is resumed."""

    def __init__(self, store: JobStore, repeater: Repeater) -> None:
        self._schedules = store.schedules
        self._repeater = repeater

    @operation("Pause a schedule", Scope.OPERATE, {200: ScheduleView}, body=ReasonRequest, errors=(404,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Submit nothing until it is resumed; what would have been due meanwhile is left out."""
        note = Note(who_asks(req), read_body(req, ReasonRequest).reason or None)
        self._repeater.do(lambda: self._schedules.pause(name, note), DOUBT)
        resp.data = msgspec.json.encode(view_schedule(self._schedules.get(name)))


class ResumeSchedule:
    """A schedule that is due again."""

    def __init__(self, store: JobStore, repeater: Repeater) -> None:
        self._schedules = store.schedules
        self._repeater = repeater

    @operation("Resume a schedule", Scope.OPERATE, {200: ScheduleView}, body=EmptyRequest, errors=(404,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Go on with its next time from now on."""
        read_body(req, EmptyRequest)
        self._repeater.do(lambda: self._schedules.resume(name), DOUBT)
        resp.data = msgspec.json.encode(view_schedule(self._schedules.get(name)))


class TriggerSchedule:
    """A job of a schedule that is submitted out of turn."""

    def __init__(self, store: JobStore, submission: Submission, repeater: Repeater) -> None:
        self._store = store
        self._submission = submission
        self._repeater = repeater

    @operation("Submit a schedule's job now", Scope.OPERATE, {202: Acceptance}, body=EmptyRequest, errors=(404,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Submit its job once, now, paused or not; it is no occurrence, and moves none."""
        read_body(req, EmptyRequest)
        job_id = new_job_id()
        [accepted] = self._repeater.do(lambda: self._trigger(name, job_id), DOUBT)
        resp.status = falcon.HTTP_202
        resp.set_header("Location", f"/jobs/{accepted.id}")
        resp.data = msgspec.json.encode(accepted)

    def _trigger(self, name: str, job_id: str) -> list[Acceptance]:
        schedule = self._store.schedules.get(name)
        job = msgspec.structs.replace(schedule.template, id=job_id, payload=schedule.payload or b"null")
        return self._store.enqueue([self._submission.decided(job)])
