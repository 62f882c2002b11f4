"""What asks a real supervisor to stop, besides SIGTERM: a terminal that closes, SIGQUIT, and what is not for it."""

import signal
import sys

import psutil
import pytest

from jobworker.store.states import JobState
from jobworker.supervisor.beatfile import Beat, BeatFile
from tests.support.command import is_gone
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: A terminal that closes when it is killed. Its interactive shell then passes SIGHUP on to its jobs, and the kernel
#: sends it to the one in the foreground besides.
TERMINAL = """
import os, pty, sys
shell, terminal = pty.fork()
if not shell: os.execvp("bash", ["bash", "--noprofile", "--norc", "-ic", '"$@"; true', "bash", *sys.argv[1:]])
while True: os.write(1, os.read(terminal, 65536))
"""


def beat_of(place: Workplace) -> Beat:
    beat = BeatFile(place.folder / "state" / "one.beat").read()
    assert beat is not None
    return beat


def test_a_terminal_that_closes_lets_running_jobs_end(place: Workplace, gate: Gate) -> None:
    terminal = place.start("--grace", "600", prefix=(sys.executable, "-c", TERMINAL))
    terminal.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    worker = psutil.Process(gate.wait_for_attempt())
    supervisor = worker.parent()
    assert supervisor is not None
    terminal.signal(signal.SIGKILL)
    terminal.wait()
    wait_until(lambda: beat_of(place).status == "draining")
    assert worker.is_running()
    gate.open()
    record = place.end(job_id)
    assert (record.status, record.attempt, record.attempts) == (JobState.SUCCEEDED, 1, ())
    wait_until(lambda: is_gone(supervisor))
    assert place.store.fleet.supervisors() == []


def test_sighup_hurries_no_drain_however_often_it_comes(place: Workplace, gate: Gate) -> None:
    command = place.start("--grace", "600")
    command.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    command.signal(signal.SIGTERM)
    command.wait_for("draining")
    for _ in range(2):
        last = beat_of(place)
        command.signal(signal.SIGHUP)
        wait_until(lambda last=last: beat_of(place).at_ns > last.at_ns)  # type: ignore[misc] # mypy: lambda's default
    assert "hurrying" not in command.err
    gate.open()
    assert command.wait() == 0
    assert place.store.get(job_id).status is JobState.SUCCEEDED


def test_a_sighup_that_a_person_sends_while_the_terminal_is_there_reloads(place: Workplace) -> None:
    terminal = place.start(prefix=(sys.executable, "-c", TERMINAL))
    terminal.wait_for("ready")
    supervisor = psutil.Process(beat_of(place).pid)
    supervisor.send_signal(signal.SIGHUP)
    terminal.wait_for("handlers are reloaded")
    assert place.run("pid").status is JobState.SUCCEEDED
    supervisor.terminate()
    wait_until(lambda: is_gone(supervisor))


def test_sigquit_puts_running_jobs_back_at_once(place: Workplace, gate: Gate) -> None:
    command = place.start("--grace", "600")
    command.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    command.signal(signal.SIGQUIT)
    assert command.wait() == 0
    record = place.store.get(job_id)
    assert (record.status, record.attempts) == (JobState.PENDING, ())


def test_what_nohup_ignores_stays_ignored(place: Workplace) -> None:
    command = place.start(prefix=["nohup"])
    command.wait_for("ready")
    command.signal(signal.SIGHUP)
    assert place.run("pid").status is JobState.SUCCEEDED
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert command.err.count("draining") == 1
