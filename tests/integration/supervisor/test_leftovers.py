"""Processes that a job leaves running are ended before the next one begins; what no job has started is spared."""

from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from jobworker.store.job import JobRecord
from jobworker.store.states import JobState, Outcome
from tests.support import supervisor_process
from tests.support.command import Command
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

HANDLERS = Path(supervisor_process.__file__).with_name("leftover_handlers.py")


@pytest.fixture
def one_worker(place: Workplace) -> Command:
    return started(place)


def started(place: Workplace, *options: str) -> Command:
    supervisor = place.start("--handlers", str(HANDLERS), *options, workers=1)
    supervisor.wait_for("ready")
    return supervisor


def said(supervisor: Command, words: str) -> str:
    """Return the line of its log that holds the words, when there is one."""
    supervisor.wait_for(words)
    return next(line for line in supervisor.err.splitlines() if words in line)


def result_of(record: JobRecord) -> Any:
    assert record.status is JobState.SUCCEEDED, record
    assert record.result is not None
    return msgspec.json.decode(record.result)


def living(pids: list[int]) -> list[int]:
    """Return those that are there and not dead."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("count", [1, 50])
def test_what_a_job_left_is_dead_when_it_has_succeeded_and_its_worker_goes_on(
    place: Workplace, one_worker: Command, count: int
) -> None:
    worker, *left = result_of(place.run("leave.sleepers", count))
    assert len(left) == count
    assert not any(map(psutil.pid_exists, left)), "not even a zombie"
    assert result_of(place.run("pid")) == worker


def test_what_is_ended_is_told_with_the_job_and_without_arguments(place: Workplace, one_worker: Command) -> None:
    job_id = place.submit("leave.sleepers", 7)
    place.end(job_id)
    line = msgspec.json.decode(said(one_worker, "what a job left running is ended"))
    assert (line["job"], line["type"]) == (job_id, "leave.sleepers")
    assert line["commands"] == ["sleep"] * 5 + ["2 more"]


def test_what_detached_itself_is_dead_before_its_failed_job_is_tried_again(
    place: Workplace, one_worker: Command
) -> None:
    path = place.folder / "escaped"
    record = place.run("leave.escapee", str(path), max_attempts=1)
    assert record.attempts[0].outcome is Outcome.RAISED
    assert living([int(place.lines(path)[0][0])]) == []


def test_an_open_pool_takes_its_worker_with_it_and_loses_no_result(place: Workplace, one_worker: Command) -> None:
    worker = result_of(place.run("leave.pool"))
    assert "(_handle_workers)" in said(one_worker, "and processes that they may start anew")
    assert result_of(place.run("pid")) != worker
    wait_until(lambda: living([worker]) == [])


def test_without_a_descriptor_to_look_with_the_worker_is_replaced_and_loses_no_result(
    place: Workplace, one_worker: Command
) -> None:
    worker, left = result_of(place.run("leave.descriptors"))
    assert "cannot be looked for: Too many open files" in said(one_worker, "worker is replaced")
    assert result_of(place.run("pid")) != worker
    wait_until(lambda: living([left]) == [])


def test_the_tracker_of_multiprocessing_is_spared_and_its_memory_is_there_for_the_next_job(
    place: Workplace, one_worker: Command
) -> None:
    worker, tracker, _ = result_of(place.run("memory.share", "all is well"))
    again, left = result_of(place.run("leave.sleepers", 1))
    assert again == worker
    assert living([tracker, left]) == [tracker]
    assert result_of(place.run("memory.read", len("all is well"))) == [worker, "all is well"]


def test_a_handler_may_keep_what_its_jobs_leave_and_only_that_stays(place: Workplace, one_worker: Command) -> None:
    worker, kept = result_of(place.run("leave.kept"))
    again, left = result_of(place.run("leave.sleepers", 1))
    assert again == worker
    assert living([kept, left]) == [kept]


def test_a_supervisor_may_keep_what_all_jobs_leave(place: Workplace) -> None:
    started(place, "--supervisor-leftovers", "keep")
    _, left = result_of(place.run("leave.sleepers", 1))
    assert living([left]) == [left]


def test_what_an_import_has_started_is_spared(place: Workplace, one_worker: Command) -> None:
    worker, helper = result_of(place.run("helper"))
    place.run("leave.sleepers", 1)
    assert result_of(place.run("helper")) == [worker, helper]
