"""Starts and takeovers: interrupted, without proof, as PID 1, and with code that changes on disk."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from jobworker.store.keys import Keys
from jobworker.store.states import JobState, Outcome
from tests.support.command import Command, is_gone
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace, has_zombies
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc")


def test_sigterm_during_a_slow_import_ends_it(place: Workplace) -> None:
    path = place.folder / "importing"
    slow = place.folder / "slow.py"
    slow.write_text(f"import os, time\nopen({str(path)!r}, 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)\n")
    command = place.start("--handlers", str(slow))
    worker = int(place.lines(path)[0][0])
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert not psutil.pid_exists(worker)
    assert place.store.fleet.supervisors() == []


def test_without_the_proof_of_the_lock_a_dead_namesake_s_lease_is_waited_for(place: Workplace, gate: Gate) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    first = place.start(*lease)
    first.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    first.signal(signal.SIGKILL)
    first.wait()
    shutil.rmtree(place.folder / "state")
    second = place.start(*lease)
    second.wait_for("waiting for the lease of a namesake to end")
    second.wait_for("ready")
    gate.wait_for_attempt(2)
    gate.open()
    record = place.end(job_id)
    assert (record.status, record.crashes, record.attempts[0].outcome) == (JobState.SUCCEEDED, 1, Outcome.LOST)


@pytest.mark.parametrize("handler", ["gate.forks", "gate.executes"])
def test_what_a_job_of_a_killed_supervisor_left_does_not_keep_its_successor_out_and_is_ended_first(
    place: Workplace, gate: Gate, handler: str
) -> None:
    first = place.start()
    first.wait_for("ready")
    job_id = place.submit(handler, gate.payload)
    escapee = psutil.Process(gate.wait_for_attempt())
    first.signal(signal.SIGKILL)
    first.wait()
    assert not is_gone(escapee)
    second = place.start()
    second.wait_for("what jobs of a dead supervisor left running is ended")
    assert is_gone(escapee)
    second.wait_for("ready")
    assert place.end(job_id).result == b"2"


def test_a_module_that_breaks_while_we_run_is_tried_ever_more_rarely_and_old_workers_go_on(place: Workplace) -> None:
    file = place.folder / "work.py"
    good = file.read_text()
    command = place.start("--log-level", "debug", workers=1)
    command.wait_for("worker is ready", times=2)
    supervisor = psutil.Process(command.process.pid)
    file.write_text("raise RuntimeError('half an edit')\n")
    shot_at = time.monotonic()
    assert place.run("crash", {"exit_code": 1}, max_crashes=1).status is JobState.FAILED
    command.wait_for("the handler code on disk does not load; the old code goes on", times=4)
    assert command.err.count("Traceback") == 1
    # 0.1, 0.2 and 0.4 s lie between the four.
    assert time.monotonic() - shot_at >= 0.7
    assert place.run("pid").status is JobState.SUCCEEDED
    file.write_text(good)
    wait_until(lambda: len(supervisor.children()) == 2)
    command.wait_for("the handler code on disk is the one in use again")


def test_a_module_that_hangs_while_it_is_imported_ends_the_start_after_its_time(place: Workplace) -> None:
    os.mkfifo(place.folder / "never")
    module = place.folder / "hangs.py"
    module.write_text(f"open({str(place.folder / 'never')!r}).read()\n")
    command = place.start("--handlers", str(module), "--supervisor-start-timeout", "1")
    assert command.wait() == 1
    assert f"{module} takes longer to import than supervisor.start_timeout lets it (1 s)" in command.err


def test_a_module_that_has_changed_is_not_mixed_with_the_old(place: Workplace) -> None:
    file = place.folder / "work.py"
    command = place.start("--log-level", "debug", workers=1)
    command.wait_for("worker is ready", times=2)
    file.write_text(file.read_text() + "\n# another version\n")
    assert place.run("crash", {"exit_code": 1}, max_crashes=1).status is JobState.FAILED
    command.wait_for("handler code on disk has changed")
    assert place.run("pid").status is JobState.SUCCEEDED


def test_a_type_that_nobody_knew_runs_when_a_supervisor_comes_that_does(place: Workplace) -> None:
    first = place.start()
    first.wait_for("ready")
    job_id = place.submit("tomorrow", "hello")
    wait_until(lambda: place.store.get(job_id).status is JobState.SCHEDULED)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    # Its time comes, without our waiting for it.
    place.client.zadd(Keys().scheduled, {job_id: 0})
    late = place.folder / "late.py"
    late.write_text("from jobworker.handlers import handler\n@handler\ndef tomorrow(text: str): return text\n")
    place.start("--handlers", str(late)).wait_for("ready")
    record = place.end(job_id)
    assert (record.result, record.failures, record.crashes) == (b'"hello"', 0, 0)
    assert record.attempts[0].outcome is Outcome.UNHANDLED


def test_it_works_as_pid_1(place: Workplace, gate: Gate) -> None:
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not make PID namespaces")
    command = place.start(prefix=UNSHARE)
    command.wait_for("ready")
    supervisor = _pid_1_of(command)
    record = place.run("first.escapes", {"path": str(place.folder / "escapee")}, timeout_ms=1000)
    assert (record.result, record.attempts[0].outcome) == (b"false", Outcome.TIMED_OUT)
    assert place.run("segfault", max_crashes=1).reason == "crash_loop"
    wait_until(lambda: not has_zombies(supervisor))
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    workers = supervisor.children()
    supervisor.send_signal(signal.SIGTERM)
    command.wait_for("draining")
    gate.open()
    assert command.wait() == 0
    assert place.store.get(job_id).result == b"1"
    assert all(is_gone(worker) for worker in workers)


def _pid_1_of(command: Command) -> psutil.Process:
    (supervisor,) = psutil.Process(command.process.pid).children()
    status = Path(f"/proc/{supervisor.pid}/status").read_text()
    assert "\nNSpid:\t" + f"{supervisor.pid}\t1\n" in status
    return supervisor
