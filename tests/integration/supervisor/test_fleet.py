"""Who runs what, as a real supervisor tells it."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from jobworker.store.fleet import Supervisor, Worker
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

OFTEN = "--supervisor-beat=0.5"
SELDOM = "--supervisor-beat=5"


def states(place: Workplace) -> list[str]:
    return sorted(worker.state for worker in place.store.fleet.workers())


def worker_of(place: Workplace, pid: int) -> Worker:
    (found,) = [worker for worker in place.store.fleet.workers() if worker.pid == pid]
    return found


def supervisor_of(place: Workplace) -> Supervisor:
    [found] = place.store.fleet.supervisors()
    return found


def restarts(place: Workplace) -> int | None:
    roster = supervisor_of(place).roster
    return None if roster is None else roster.restarts


def stay(place: Workplace, path: Path) -> tuple[str, int]:
    """Run a job that stays; return its id and its worker's pid."""
    job_id = place.submit("first.stays", {"path": str(path)})
    return job_id, int(place.lines(path)[0][0])


def test_workers_and_spare_are_told_as_they_are(place: Workplace) -> None:
    command = place.start(OFTEN)
    command.wait_for("ready")
    wait_until(lambda: states(place) == ["idle", "idle", "spare"])
    told = place.store.fleet.workers()
    assert {worker.pid for worker in told} == {child.pid for child in psutil.Process(command.process.pid).children()}
    for worker in told:
        process = psutil.Process(worker.pid)
        assert worker.started_ms is not None
        assert worker.started_ms / 1000 == pytest.approx(process.create_time(), abs=1)
        assert worker.rss_bytes == pytest.approx(process.memory_info().rss, rel=0.3)
        assert worker.cpu_seconds == pytest.approx(sum(process.cpu_times()[:4]), abs=0.5)


def test_a_busy_worker_shows_its_job_before_the_next_beat(place: Workplace, tmp_path: Path) -> None:
    place.start(SELDOM).wait_for("ready")
    job_id, pid = stay(place, tmp_path / "starts")
    busy = worker_of(place, pid)
    assert busy.state == "busy"
    assert busy.job is not None
    assert (busy.job.id, busy.job.type, busy.job.attempt) == (job_id, "first.stays", 1)
    assert busy.job.started_ms == place.store.get(job_id).started_ms
    assert supervisor_of(place).running == 1


def test_finished_jobs_are_counted(place: Workplace) -> None:
    place.start(OFTEN, workers=1).wait_for("ready")
    pids = [place.run("pid").worker for _ in range(3)]
    assert pids[0] is not None
    assert set(pids) == {pids[0]}
    wait_until(lambda: worker_of(place, pids[0] or 0).jobs == 3)
    assert restarts(place) == 0


def test_a_shot_worker_shows_up_as_a_restart_and_is_listed_no_more(place: Workplace, tmp_path: Path) -> None:
    place.start(OFTEN).wait_for("ready")
    job_id, pid = stay(place, tmp_path / "starts")
    os.kill(pid, signal.SIGKILL)
    place.end(job_id)
    wait_until(lambda: restarts(place) == 1)
    wait_until(lambda: states(place) == ["idle", "idle", "spare"])
    assert pid not in {worker.pid for worker in place.store.fleet.workers()}


def test_a_worker_killed_at_a_deadline_is_no_restart(place: Workplace) -> None:
    place.start(OFTEN).wait_for("ready")
    record = place.run("hang", {"how": "loop", "started": str(place.folder / "pids")}, timeout_ms=200, max_attempts=1)
    pid = record.worker
    wait_until(lambda: states(place) == ["idle", "idle", "spare"])
    wait_until(lambda: pid not in {worker.pid for worker in place.store.fleet.workers()})
    assert restarts(place) == 0
