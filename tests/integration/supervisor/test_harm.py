"""What a handler does to its worker harms neither the supervisor nor the next job."""

import os
import signal
from pathlib import Path

import msgspec
import psutil
import pytest

from jobworker.store.job import JobRecord
from jobworker.store.states import JobState, Outcome
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def result_of(record: JobRecord) -> object:
    assert record.status is JobState.SUCCEEDED, record
    assert record.result is not None
    return msgspec.json.decode(record.result)


def test_deaths_are_told_in_words_and_the_next_job_runs(place: Workplace) -> None:
    place.start().wait_for("ready")
    fault = place.run("segfault", max_crashes=1)
    assert (fault.status, fault.reason, fault.attempts[0].detail.signal) == (JobState.FAILED, "crash_loop", "SIGSEGV")
    left = place.run("exit", 3, max_crashes=1)
    assert left.error is not None
    assert left.error.message == "exit code 3 before it reported"
    assert left.attempts[0].detail.exit_code == 3
    quiet = place.run("exit", 0, max_crashes=1)
    assert quiet.error is not None
    assert quiet.error.message == "exit code 0 before it reported"
    closed = place.run("close.all", max_crashes=1)
    assert (closed.status, closed.attempts[0].outcome) == (JobState.FAILED, Outcome.CRASHED)
    why = "its job had closed the worker's mailbox, by which a worker reports"
    assert closed.error is not None
    assert closed.error.message == f"exit code 70 before it reported: {why}"
    assert result_of(place.run("detach")) == "detached"
    assert place.run("pid").status is JobState.SUCCEEDED


def test_three_kills_of_its_worker_are_the_end_of_a_job(place: Workplace, gate: Gate) -> None:
    place.start().wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    for attempt in (1, 2, 3):
        os.kill(gate.wait_for_attempt(attempt), signal.SIGKILL)
    record = place.end(job_id)
    assert (record.status, record.reason, record.crashes, record.failures) == (JobState.FAILED, "crash_loop", 3, 0)
    assert [attempt.detail.signal for attempt in record.attempts] == ["SIGKILL"] * 3


def test_handlers_see_no_address_of_redis(place: Workplace) -> None:
    secret = f"{place.server.url}?protocol=2"
    file = place.folder / "secret"
    file.write_text(secret)
    place.start("--redis", secret, JOBWORKER_REDIS_URL=secret, JOBWORKER_LOG_LEVEL="info").wait_for("ready")
    seen = result_of(place.run("environment"))
    assert isinstance(seen, dict)
    for where in ("here", "below"):
        assert "JOBWORKER_LOG_LEVEL=info" in seen[where]
        assert not [line for line in seen[where] if "REDIS" in line or "protocol=2" in line]


def test_tasks_and_threads_of_async_handlers_end_with_their_job_and_the_worker_stays(place: Workplace) -> None:
    place.start(workers=1).wait_for("ready")
    path = place.folder / "tasks"
    worker = result_of(place.run("tasks.leave", str(path)))
    assert path.read_text() == "cancelled\n"
    assert result_of(place.run("tasks.count")) == [worker, 1]
    assert result_of(place.run("threads.use")) == worker
    assert result_of(place.run("threads.use")) == worker


def test_dead_children_that_nobody_waited_for_are_reaped(place: Workplace) -> None:
    command = place.start(workers=1)
    command.wait_for("ready")
    worker = result_of(place.run("children.leave"))
    assert isinstance(worker, int)
    # They may end a moment after their job; each further job is an occasion.
    wait_until(lambda: result_of(place.run("pid")) == worker and not psutil.Process(worker).children())


def test_signals_that_ask_workers_to_stop_are_not_for_them(place: Workplace, gate: Gate) -> None:
    place.start().wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    worker = gate.wait_for_attempt()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(worker, number)
    gate.open()
    assert result_of(place.end(job_id)) == 1
    assert place.store.get(job_id).worker == worker


def test_a_job_without_a_deadline_outlives_those_that_have_one(place: Workplace, gate: Gate) -> None:
    place.start("--jobs-timeout", "0.3").wait_for("ready")
    unbounded = place.submit("gate.unbounded", gate.payload)
    gate.wait_for_attempt()
    # It began later and had the settings' time: that time has passed for both.
    assert place.run("hang", {}, max_attempts=1).attempts[0].outcome is Outcome.TIMED_OUT
    assert place.store.get(unbounded).status is JobState.RUNNING
    gate.open()
    assert result_of(place.end(unbounded)) == "let go"


def test_a_worker_that_stops_itself_is_killed_at_its_deadline(place: Workplace) -> None:
    place.start().wait_for("ready")
    path = place.folder / "stopped"
    record = place.run("stop.itself", str(path), timeout_ms=300, max_attempts=1)
    assert record.attempts[0].outcome is Outcome.TIMED_OUT
    assert not Path(f"/proc/{place.lines(path)[0][0]}").exists()
