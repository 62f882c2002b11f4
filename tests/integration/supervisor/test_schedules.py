"""Real supervisors that fire schedules: punctual, and once for each occurrence whoever is killed."""

import signal
from typing import Any

import pytest

from jobworker.store.ids import occurrence_id
from jobworker.store.job import NewJob
from jobworker.store.schedules import NewSchedule
from jobworker.store.timing import Timing
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

EVERY_MS = 1000


def put(place: Workplace, name: str = "often") -> int:
    """Schedule a job for every second; return the revision."""
    template = NewJob("", "surroundings", queue="", priority=0)
    timing = Timing(every_ms=EVERY_MS)
    place.store.schedules.put(NewSchedule(name, timing, "allow", "all", 60_000, template, b"{}"))
    revision: Any = place.client.hget(f"jobworker:{{0}}:schedule:{name}", "revision")
    return int(revision)


def jobs_of(place: Workplace) -> list[str]:
    found: Any = place.client.zrange("jobworker:{0}:created", 0, -1)
    return [job_id.decode() for job_id in found]


def test_a_schedule_that_is_put_while_a_supervisor_idles_is_fired_in_time_and_its_jobs_run(place: Workplace) -> None:
    place.start().wait_for("ready")
    put(place)
    wait_until(lambda: len(jobs_of(place)) >= 2, 20)
    occurrence = place.store.schedules.get("often").occurrences[-1]
    assert occurrence.outcome == "fired"
    # Without the hint it would be up to three seconds.
    assert 0 <= occurrence.at_ms - occurrence.due_ms < 900
    assert place.end(occurrence.job).status == "succeeded"


def test_each_occurrence_is_one_job_although_several_fire_and_one_is_killed(place: Workplace) -> None:
    names = ("alpha", "beta", "gamma")
    supervisors = [place.start(name=name) for name in names]
    for supervisor in supervisors:
        supervisor.wait_for("ready")
    revision = put(place)
    wait_until(lambda: len(jobs_of(place)) >= 2, 20)
    supervisors[0].signal(signal.SIGKILL)
    wait_until(lambda: len(jobs_of(place)) >= 4, 20)
    for supervisor in supervisors[1:]:
        supervisor.signal(signal.SIGTERM)
        assert supervisor.wait() == 0
    shown = place.store.schedules.get("often")
    due = [occurrence.due_ms for occurrence in reversed(shown.occurrences)]
    assert due == list(range(due[0], due[-1] + 1, EVERY_MS))
    assert sorted(jobs_of(place)) == sorted(occurrence_id("often", revision, due_ms) for due_ms in due)


def test_what_nobody_was_there_for_is_made_up_for_by_whoever_comes(place: Workplace) -> None:
    put(place)
    first_due_ms = place.store.schedules.get("often").next_due_ms
    assert first_due_ms is not None
    wait_until(lambda: place.store.schedules.get("often").now_ms > first_due_ms + 2 * EVERY_MS, 20)
    place.start().wait_for("ready")
    wait_until(lambda: len(jobs_of(place)) >= 3, 20)
    assert place.store.schedules.get("often").occurrences[-1].due_ms == first_due_ms
