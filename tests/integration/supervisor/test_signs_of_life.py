"""Signs of life of a real supervisor: the beat file, the healthcheck, the service manager."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from jobworker.store.states import JobState
from jobworker.supervisor.beatfile import Beat, BeatFile
from tests.support.command import clean_environment
from tests.support.gate import Gate
from tests.support.service_manager import ServiceManager
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    with closing(ServiceManager.at(tmp_path)) as manager:
        yield manager


def beat_of(place: Workplace) -> Beat | None:
    return BeatFile(place.folder / "state" / "one.beat").read()


def check(place: Workplace) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "jobworker.cli", "healthcheck", "supervisor", "--name", "one"]
    return subprocess.run(
        [*command, "--state-dir", str(place.folder / "state")],
        cwd=place.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_start_to_a_clean_end(place: Workplace) -> None:
    command = place.start()
    command.wait_for("ready")
    beat = beat_of(place)
    assert beat is not None
    assert (beat.pid, beat.redis, beat.status) == (command.process.pid, True, "serving")
    checked = check(place)
    assert (checked.returncode, checked.stdout) == (0, f"supervisor one (pid {command.process.pid}): serving\n")
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert [file.name for file in (place.folder / "state").iterdir()] == ["one.lock"]
    assert check(place).returncode == 1


def test_killed_it_leaves_a_beat_that_grows_old(place: Workplace) -> None:
    command = place.start()
    command.wait_for("ready")
    command.signal(signal.SIGKILL)
    command.wait()
    beat = beat_of(place)
    assert beat is not None
    wait_until(lambda: beat.age_seconds > 0.1)
    assert beat_of(place) == beat


def test_without_redis_it_lives_and_says_that_redis_is_away(own_place: Workplace) -> None:
    place = own_place
    place.start("--supervisor-beat", "0.5").wait_for("ready")
    place.server.kill()
    wait_until(lambda: (beat := beat_of(place)) and not beat.redis)
    checked = check(place)
    assert checked.returncode == 0
    assert "serving; workers go on, results wait: Redis is not reachable: " in checked.stdout
    place.server.start()
    wait_until(lambda: (beat := beat_of(place)) and beat.redis)


def test_before_redis_comes_it_lives_and_is_not_ready(own_place: Workplace, manager: ServiceManager) -> None:
    place = own_place
    place.server.kill()
    command = place.start(NOTIFY_SOCKET=manager.address)
    command.wait_for("cannot register")
    wait_until(lambda: "starting: not registered in Redis yet; Redis is not reachable: " in check(place).stdout)
    assert not manager.has_heard("READY=1")
    place.server.start()
    wait_until(lambda: manager.has_heard("READY=1"))


def test_a_state_directory_that_vanishes_ends_nothing(place: Workplace) -> None:
    command = place.start()
    command.wait_for("ready")
    # In one step: a removal would race with the next beat.
    (place.folder / "state").rename(place.folder / "away")
    command.wait_for("the beat file cannot be written; healthchecks will fail, jobs go on")
    assert place.run("pid").status is JobState.SUCCEEDED
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert command.err.count("beat file") == 1


def test_the_service_manager_hears_all_from_ready_to_stopping(
    place: Workplace, manager: ServiceManager, gate: Gate
) -> None:
    command = place.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    command.wait_for("ready")
    wait_until(lambda: manager.has_heard("READY=1"))
    assert manager.has_heard("STATUS=serving")
    fed = manager.count("WATCHDOG=1")
    wait_until(lambda: manager.count("WATCHDOG=1") >= fed + 3)
    place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    command.signal(signal.SIGTERM)
    wait_until(lambda: manager.has_heard("STOPPING=1"))
    # It lives until the last job has ended, and so the watchdog is fed as long.
    fed = manager.count("WATCHDOG=1")
    wait_until(lambda: manager.count("WATCHDOG=1") > fed)
    gate.open()
    assert command.wait() == 0
    assert manager.count("READY=1") == 1


def test_the_service_manager_hears_of_a_reload_and_when_it_is_over(place: Workplace, manager: ServiceManager) -> None:
    command = place.start(NOTIFY_SOCKET=manager.address)
    wait_until(lambda: manager.has_heard("READY=1"))
    asked_us = time.monotonic_ns() // 1000
    command.signal(signal.SIGHUP)
    wait_until(lambda: manager.count("READY=1") == 2)
    [told] = [message for message in manager.heard if "RELOADING=1" in message]
    began = dict(line.split("=", 1) for line in told)
    assert asked_us <= int(began["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert began["STATUS"] == "reloading"
    assert manager.heard.index(told) < len(manager.heard) - 1


def test_ps_shows_what_supervisor_and_workers_do(place: Workplace, gate: Gate) -> None:
    command = place.start("--grace", "600", "--spares", "0", workers=1)
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    [worker] = supervisor.children()
    wait_until(lambda: title_of(supervisor) == "jobworker supervisor one 0/1 busy")
    wait_until(lambda: title_of(worker) == "jobworker worker one idle")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    assert title_of(worker) == f"jobworker worker one gate {job_id}"
    wait_until(lambda: title_of(supervisor) == "jobworker supervisor one 1/1 busy")
    command.signal(signal.SIGTERM)
    wait_until(lambda: title_of(supervisor) == "jobworker supervisor one 1/1 busy, draining")
    gate.open()
    assert command.wait() == 0


def title_of(process: psutil.Process) -> str:
    # What is left of the old title is zeros.
    return " ".join(process.cmdline()).rstrip()


def test_a_supervisor_that_hangs_feeds_no_watchdog(place: Workplace, manager: ServiceManager) -> None:
    command = place.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    wait_until(lambda: manager.count("WATCHDOG=1") >= 2)
    os.kill(command.process.pid, signal.SIGSTOP)
    beat = beat_of(place)
    fed = manager.count("WATCHDOG=1")
    assert beat is not None
    age_seconds = beat.age_seconds
    wait_until(lambda: beat.age_seconds > age_seconds + 0.5)
    assert (manager.count("WATCHDOG=1"), beat_of(place)) == (fed, beat)


def test_jobs_cannot_speak_for_the_supervisor(place: Workplace, manager: ServiceManager) -> None:
    variables = place.folder / "variables.py"
    variables.write_text(
        "import os\nfrom jobworker.handlers import handler\n@handler\ndef variables(): return sorted(os.environ)\n"
    )
    command = place.start(
        *("--handlers", str(variables)), NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="5000000", WATCHDOG_PID="1"
    )
    command.wait_for("ready")
    result = place.run("variables").result
    assert result is not None
    assert b"PATH" in result
    assert b"NOTIFY" not in result
    assert b"WATCHDOG" not in result
