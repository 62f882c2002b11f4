"""Kills, crashes, and what must not be left of them."""

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobworker.store.states import JobState, Outcome
from tests.support.command import is_gone
from tests.support.supervisor_process import Workplace, has_zombies
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    # Time enough for all of a tree to begin, on a busy machine too.
    ("how", "processes", "timeout_ms"),
    [("loop", 1, 1000), ("regex", 1, 1000), ("stubborn", 1, 1000), ("tree", 4, 4000)],
)
def test_a_hang_is_killed_at_its_deadline_with_all_that_it_started(
    place: Workplace, how: str, processes: int, timeout_ms: int
) -> None:
    place.start(workers=1).wait_for("ready")
    path = place.folder / "pids"
    job_id = place.submit("hang", {"how": how, "started": str(path)}, timeout_ms=timeout_ms, max_attempts=1)
    lines = place.lines(path, processes)
    pids = [int(line[0]) for line in lines]
    died_ns = _death_ns(pids[0])
    # By the handler's own clock; and the worker is the last of its tree to die.
    assert died_ns >= int(lines[0][1]) + timeout_ms * 1_000_000
    # Of the worker itself that was told just now; its number may be another's by now.
    assert not [pid for pid in pids[1:] if _lives(pid)]
    record = place.end(job_id)
    assert (record.status, record.attempts[0].outcome) == (JobState.FAILED, Outcome.TIMED_OUT)
    assert record.started_ms is not None
    assert record.ended_ms is not None
    assert record.ended_ms - record.started_ms >= timeout_ms
    assert place.run("pid").status is JobState.SUCCEEDED


def test_a_shot_worker_has_its_job_running_again(place: Workplace) -> None:
    place.start().wait_for("ready")
    path = place.folder / "starts"
    job_id = place.submit("first.stays", {"path": str(path)})
    worker = int(place.lines(path)[0][0])
    assert place.store.get(job_id).worker == worker
    os.kill(worker, signal.SIGKILL)
    record = place.end(job_id)
    assert (record.status, record.attempt, record.crashes) == (JobState.SUCCEEDED, 2, 1)
    assert record.attempts[0].detail.signal == "SIGKILL"
    assert [line[1] for line in place.lines(path, 2)] == ["1", "2"]


def test_what_a_crashed_job_left_is_dead_before_its_next_attempt(place: Workplace) -> None:
    place.start().wait_for("ready")
    path = place.folder / "escapee"
    job_id = place.submit("first.escapes", {"path": str(path)})
    place.lines(path)
    worker = place.store.get(job_id).worker
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    assert place.end(job_id).result == b"false"


def test_crashes_leave_no_descriptors_and_no_zombies(place: Workplace) -> None:
    # So many crashes of a type would have it held.
    command = place.start("--supervisor-type-max-crashes=1000")
    command.wait_for("ready")
    place.run("pid")
    supervisor = psutil.Process(command.process.pid)
    wait_until(lambda: len(supervisor.children()) == 3)
    before = supervisor.num_fds()
    record = place.run("crash", {"exit_code": 3}, max_crashes=30)
    assert (record.reason, record.crashes) == ("crash_loop", 30)
    assert record.error is not None
    assert record.error.message == "exit code 3 before it reported"
    wait_until(lambda: supervisor.num_fds() <= before)
    wait_until(lambda: not has_zombies(supervisor))


def test_a_cancel_kills_what_runs(place: Workplace) -> None:
    place.start().wait_for("ready")
    path = place.folder / "starts"
    job_id = place.submit("first.stays", {"path": str(path)})
    worker = int(place.lines(path)[0][0])
    assert place.store.cancel(job_id) == "cancelling"
    assert place.end(job_id).status is JobState.CANCELLED
    assert not _lives(worker)


def test_a_killed_supervisor_takes_its_workers_along_and_is_replaced_at_once(place: Workplace) -> None:
    first = place.start()
    first.wait_for("ready")
    path = place.folder / "starts"
    job_id = place.submit("first.stays", {"path": str(path)})
    worker = int(place.lines(path)[0][0])
    first.signal(signal.SIGKILL)
    first.wait()
    wait_until(lambda: not _lives(worker))
    place.start().wait_for("ready")
    # The lease of 15 s has not ended: the lock proved the death.
    record = place.end(job_id, timeout_seconds=8)
    assert (record.status, record.attempts[0].outcome) == (JobState.SUCCEEDED, Outcome.LOST)


def test_a_job_that_came_before_its_type_was_known_is_reaped_by_what_its_handler_declares(place: Workplace) -> None:
    path = place.folder / "starts"
    job_id = place.submit("stays", {"path": str(path)})
    first = place.start()
    place.lines(path)
    first.signal(signal.SIGKILL)
    first.wait()
    place.start().wait_for("ready")
    record = place.end(job_id, timeout_seconds=8)
    assert (record.status, record.reason, record.max_crashes) == (JobState.FAILED, "crash_loop", None)


def test_jobs_survive_a_storm_of_kills(place: Workplace) -> None:
    command = place.start("--supervisor-type-max-crashes", "1000")
    command.wait_for("ready")
    ids = [place.submit("sleep", 0.005, max_crashes=1000) for _ in range(150)]
    supervisor = psutil.Process(command.process.pid)
    for number in range(12):
        wait_until(lambda count=number * 12: sum(place.store.get(i).ended for i in ids) >= count)  # type: ignore[misc]
        for child in supervisor.children()[:2]:
            # It may have ended by itself, or by the kill of before.
            with suppress(psutil.NoSuchProcess):
                child.kill()
    assert {place.end(job_id).status for job_id in ids} == {JobState.SUCCEEDED}


def test_sigterm_lets_running_jobs_end_and_claims_no_more(place: Workplace) -> None:
    command = place.start(workers=1)
    command.wait_for("ready")
    path = place.folder / "starts"
    running = place.submit("until.file", {"path": str(path)})
    place.lines(path)
    waiting = place.submit("pid")
    children = command.descendants()
    command.signal(signal.SIGTERM)
    command.wait_for("draining")
    Path(f"{path}.go").touch()
    assert command.wait() == 0
    assert place.store.get(running).result == b'"went"'
    assert place.store.get(waiting).status is JobState.PENDING
    assert place.store.fleet.supervisors() == []
    assert all(is_gone(child) for child in children)


def test_the_end_of_the_grace_puts_a_job_back_free(place: Workplace) -> None:
    command = place.start("--grace", "0.2")
    command.wait_for("ready")
    path = place.folder / "starts"
    job_id = place.submit("first.stays", {"path": str(path)})
    worker = int(place.lines(path)[0][0])
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    record = place.store.get(job_id)
    assert (record.status, record.attempt, record.crashes, record.attempts) == (JobState.PENDING, 0, 0, ())
    assert not _lives(worker)


def test_a_second_sigterm_hurries(place: Workplace) -> None:
    command = place.start("--grace", "600")
    command.wait_for("ready")
    path = place.folder / "starts"
    job_id = place.submit("first.stays", {"path": str(path)})
    place.lines(path)
    command.signal(signal.SIGTERM)
    command.wait_for("draining")
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert place.store.get(job_id).status is JobState.PENDING


def _death_ns(pid: int) -> int:
    """Wait until the process is dead; return the monotonic time."""
    descriptor = os.pidfd_open(pid)
    try:
        assert select.select([descriptor], [], [], 20)[0]
        return time.monotonic_ns()
    finally:
        os.close(descriptor)


def _lives(pid: int) -> bool:
    try:
        return not is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False
