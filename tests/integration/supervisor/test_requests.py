"""What a supervisor is asked while it runs: a stack, more or fewer workers, to drain; and cancels, by whom and why."""

import time
from pathlib import Path

import msgspec
import psutil
import pytest

from jobworker.store.errors import NotRunning, SupervisorNotFound
from jobworker.store.job import Note
from jobworker.store.states import JobState, KilledBy
from tests.support.command import is_gone
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

BUSY = """
import os, re, subprocess, time
from jobworker.handlers import handler

def say(path):
    os.close(os.open(path, os.O_CREAT))

@handler("naps")
def naps(path: str):
    say(path)
    time.sleep(600)

@handler("spins")
def spins(path: str):
    say(path)
    while True: pass

@handler("backtracks")
def backtracks(path: str):
    say(path)
    re.match(r"(a+)+$", "a" * 64 + "b")

@handler("has.a.child")
def has_a_child(path: str):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open(path + ".new", "w") as file: file.write(str(child.pid))
    os.rename(path + ".new", path)
    time.sleep(600)
"""
ADA = Note("ada", "no longer wanted")


@pytest.fixture
def place(place: Workplace) -> Workplace:
    (place.folder / "busy.py").write_text(BUSY)
    return place


def handlers(place: Workplace) -> str:
    return f"--handlers={place.folder / 'busy.py'}"


def begun(place: Workplace, kind: str, path: Path) -> str:
    """Submit a job and return its id when it runs."""
    job_id = place.submit(kind, str(path))
    wait_until(path.exists)
    wait_until(lambda: place.store.get(job_id).status is JobState.RUNNING)
    return job_id


def stack_of(place: Workplace, job_id: str) -> str:
    asked_ms = place.store.control.stack(place.store.get(job_id))
    wait_until(lambda: (place.store.get(job_id).stack_ms or 0) >= asked_ms)
    return place.store.get(job_id).stack or ""


@pytest.mark.parametrize("kind", ["naps", "spins", "backtracks"])
def test_the_stack_of_a_running_job_can_be_had_and_the_job_goes_on(place: Workplace, kind: str) -> None:
    place.start(handlers(place), workers=1).wait_for("ready")
    job_id = begun(place, kind, place.folder / "begun")
    for _ in range(3):
        # A worker that gets no CPU for long answers nothing; it is asked again.
        wait_until(lambda: f"in {kind}" in stack_of(place, job_id))
    assert place.store.get(job_id).status is JobState.RUNNING
    wait_until(lambda: place.client.exists(*place.client.keys("*requests:*") or ["none"]) == 0)


def test_of_a_job_that_does_not_run_there_is_no_stack(place: Workplace) -> None:
    place.start(workers=1).wait_for("ready")
    done = place.run("pid")
    with pytest.raises(NotRunning, match="it is succeeded"):
        place.store.control.stack(done)


def test_a_supervisor_is_given_more_workers_and_fewer_and_what_runs_is_not_disturbed(
    place: Workplace, gate: Gate
) -> None:
    command = place.start("--spares", "0", workers=1)
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    place.store.control.scale("one", 3)
    wait_until(lambda: len(supervisor.children()) == 3)
    assert place.run("pid").status is JobState.SUCCEEDED
    place.store.control.scale("one", 1)
    gate.open()
    assert place.end(job_id).crashes == 0
    wait_until(lambda: len(supervisor.children()) == 1)
    wait_until(lambda: [one.workers for one in place.store.fleet.supervisors()] == [1])


def test_one_of_two_supervisors_drains_and_the_other_goes_on(place: Workplace, gate: Gate) -> None:
    first = place.start(name="one", workers=1)
    first.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    place.start(name="two", workers=1).wait_for("ready")
    place.store.control.drain("one", ADA)
    first.wait_for("drained by a request")
    assert '"who": "ada"' in first.err
    assert place.run("pid").owner == "two"
    gate.open()
    record = place.end(job_id)
    assert (record.status, record.owner, record.crashes) == (JobState.SUCCEEDED, "one", 0)
    assert first.wait() == 0


def test_nobody_is_asked_who_does_not_live(place: Workplace) -> None:
    with pytest.raises(SupervisorNotFound, match="nobody"):
        place.store.control.scale("nobody", 3)


def test_a_request_whose_hint_is_lost_is_heard_with_the_next_beat(place: Workplace) -> None:
    command = place.start("--supervisor-beat=1", "--spares", "0", workers=1)
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    [one] = place.store.fleet.supervisors()
    field = f"jobworker:{{0}}:requests:one:{one.epoch}"
    place.client.hset(field, "scale", "1 2")
    wait_until(lambda: len(supervisor.children()) == 2)
    wait_until(lambda: not place.client.exists(field))


def test_a_cancelled_job_s_tree_dies_at_once_and_it_is_told_by_whom_and_why(place: Workplace) -> None:
    place.start(handlers(place), workers=1).wait_for("ready")
    path = place.folder / "child"
    job_id = begun(place, "has.a.child", path)
    child = psutil.Process(int(path.read_text()))
    began = time.monotonic()
    place.store.cancel(job_id, ADA)
    wait_until(lambda: is_gone(child))
    took_seconds = time.monotonic() - began
    record = place.end(job_id)
    assert record.status is JobState.CANCELLED
    [attempt] = record.attempts
    assert attempt.detail.killed_by is KilledBy.CANCEL
    assert attempt.detail.error is not None
    assert attempt.detail.error.message == "killed because ada cancelled the job: no longer wanted"
    # What is promised is a tenth of that, on a machine that has nothing else to do: benchmarks/cancel.py.
    assert took_seconds < 1


def test_a_cancel_whose_hint_is_lost_is_heard_with_the_next_beat(place: Workplace) -> None:
    place.start(handlers(place), "--supervisor-beat=1", workers=1).wait_for("ready")
    job_id = begun(place, "naps", place.folder / "begun")
    record = place.store.get(job_id)
    base = "jobworker:{0}:"
    place.client.hset(f"{base}job:{job_id}", "cancel_requested_ms", record.now_ms)
    note = msgspec.json.encode(ADA).decode()
    place.client.hset(f"{base}cancels:one:{record.epoch}", job_id, f"{record.token} {note}")
    assert place.end(job_id).status is JobState.CANCELLED


def test_a_cancel_of_an_earlier_attempt_hits_nobody(place: Workplace, gate: Gate) -> None:
    place.start("--supervisor-beat=0.5", workers=1).wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    record = place.store.get(job_id)
    assert record.token is not None
    key = f"jobworker:{{0}}:cancels:one:{record.epoch}"
    place.client.hset(key, job_id, f"{record.token - 1} {{}}")
    # It has been heard when what was asked after it is done.
    place.store.control.scale("one", 2)
    wait_until(lambda: not place.client.keys("*requests:*"))
    place.client.delete(key)
    gate.open()
    assert place.end(job_id).status is JobState.SUCCEEDED


def test_a_worker_that_dies_while_its_stack_is_waited_for_harms_nobody(place: Workplace) -> None:
    command = place.start(handlers(place), workers=1)
    command.wait_for("ready")
    job_id = begun(place, "naps", place.folder / "begun")
    record = place.store.get(job_id)
    assert record.worker is not None
    worker = next(one for one in psutil.Process(command.process.pid).children() if one.pid == record.worker)
    # It answers nothing while it is stopped.
    worker.suspend()
    place.store.control.stack(record)
    wait_until(lambda: place.client.exists("jobworker:{0}:inbox:one") == 0)
    place.store.cancel(job_id, ADA)
    wait_until(lambda: place.store.get(job_id).ended or command.process.poll() is not None)
    assert command.process.poll() is None, command.err
    assert place.end(job_id).status is JobState.CANCELLED
    assert place.run("pid").status is JobState.SUCCEEDED
