"""SIGHUP on a real supervisor: handler code is replaced under load, and code that does not load replaces nothing."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobworker.store.fleet import Supervisor
from jobworker.store.job import JobRecord
from jobworker.store.states import JobState
from tests.support.command import Command
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

OFTEN = "--supervisor-beat=0.5"
RELOADED = "handlers are reloaded"
COMPLETE = "the reload is complete: no worker has older handlers"
BROKEN = "the handler code on disk does not load; the old code goes on"
VERSION = """
import time
from jobworker.handlers import handler

@handler
def version(seconds: float | None = None):
    time.sleep(seconds or 0)
    return {0}

@handler("only.{0}")
def only(): return {0}
"""


@pytest.fixture
def module(place: Workplace) -> Path:
    file = place.folder / "versioned.py"
    file.write_text(VERSION.format(1))
    return file


def start(place: Workplace, module: Path, *options: str, workers: int) -> Command:
    command = place.start("--handlers", str(module), OFTEN, *options, workers=workers)
    command.wait_for("ready")
    return command


def told(place: Workplace) -> Supervisor:
    [found] = place.store.fleet.supervisors()
    return found


def stale(place: Workplace) -> str | None:
    roster = told(place).roster
    return None if roster is None else roster.stale


def wait_until_ready(place: Workplace, *states: str) -> None:
    """Wait until nobody is starting any more, who would read code that is being broken."""
    wait_until(lambda: sorted(worker.state for worker in place.store.fleet.workers()) == list(states))


def version_of(record: JobRecord) -> int:
    assert (record.status, record.attempt, record.attempts) == (JobState.SUCCEEDED, 1, ())
    return int(record.result or b"0")


def reload(command: Command, *, times: int = 1) -> None:
    command.signal(signal.SIGHUP)
    command.wait_for(RELOADED, times=times)


def test_hundreds_of_jobs_see_both_versions_and_none_is_lost(place: Workplace, module: Path) -> None:
    command = start(place, module, workers=3)
    jobs = [place.submit("version", 0.005) for _ in range(400)]
    place.end(jobs[20])
    module.write_text(VERSION.format(2))
    reload(command)
    jobs += [place.submit("version", 0.005) for _ in range(200)]
    records = [place.end(job) for job in jobs]
    versions = [version_of(record) for record in records]
    assert (versions[0], versions[-1]) == (1, 2)
    assert versions.count(1) + versions.count(2) == 600
    # No process has mixed them.
    assert {record.worker for record in records if record.result == b"1"}.isdisjoint(
        record.worker for record in records if record.result == b"2"
    )
    roster = told(place).roster
    assert roster is not None
    assert roster.restarts == 0


def test_where_one_worker_serves_the_old_code_ends_where_the_new_begins(place: Workplace, module: Path) -> None:
    command = start(place, module, workers=1)
    jobs = [place.submit("version", 0.002) for _ in range(300)]
    place.end(jobs[20])
    module.write_text(VERSION.format(2))
    reload(command)
    jobs += [place.submit("version") for _ in range(50)]
    versions = [version_of(place.end(job)) for job in jobs]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}


def test_a_busy_worker_ends_its_job_and_no_other_begins_with_its_code(
    place: Workplace, module: Path, gate: Gate
) -> None:
    command = start(place, module, workers=1)
    job_id = place.submit("gate", gate.payload)
    old = gate.wait_for_attempt()
    module.write_text(VERSION.format(2))
    reload(command)
    next_id = place.submit("version")
    assert psutil.pid_exists(old)
    assert COMPLETE not in command.err
    gate.open()
    assert place.end(job_id).status is JobState.SUCCEEDED
    assert version_of(place.end(next_id)) == 2
    command.wait_for(COMPLETE)


def test_without_a_spare_the_new_worker_comes_before_the_old_one_goes(place: Workplace, module: Path) -> None:
    command = start(place, module, "--spares", "0", workers=2)
    module.write_text(VERSION.format(2))
    reload(command)
    supervisor = psutil.Process(command.process.pid)
    seen: set[int] = set()

    def all_are_new() -> bool:
        seen.add(len(supervisor.children()))
        return [version_of(place.run("version", 0.02)) for _ in range(4)] == [2] * 4

    wait_until(all_are_new)
    wait_until(lambda: len(supervisor.children()) == 2)
    assert max(seen) <= 4  # two that serve, one new, one that is just ending


def test_types_that_come_and_go_are_told_and_an_old_worker_is_no_dead_end_for_a_new_one(
    place: Workplace, module: Path, gate: Gate
) -> None:
    command = start(place, module, workers=2)
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    module.write_text(VERSION.format(2))
    reload(command)
    jobs = [place.submit("only.2") for _ in range(20)]
    assert [version_of(place.end(job)) for job in jobs] == [2] * 20
    wait_until(lambda: "only.2" in told(place).types)
    assert "only.1" not in told(place).types
    assert "only.2" in place.store.handlers()
    assert "only.1" not in place.store.handlers()
    gate.open()
    assert place.end(job_id).status is JobState.SUCCEEDED


def test_a_broken_module_keeps_the_old_workers_and_is_told_until_it_is_mended(place: Workplace, module: Path) -> None:
    command = start(place, module, workers=2)
    wait_until_ready(place, "idle", "idle", "spare")
    before = {worker.pid for worker in place.store.fleet.workers()}
    module.write_text("import nothing_of_this_name\n")
    for times in (1, 2):
        command.signal(signal.SIGHUP)
        command.wait_for(BROKEN, times=times)
    assert command.err.count("Traceback") == 1
    wait_until(lambda: "does not import: ModuleNotFoundError: No module named 'nothing_of" in (stale(place) or ""))
    assert version_of(place.run("version")) == 1
    # What was tried may be in the last roster still.
    wait_until(lambda: {worker.pid for worker in place.store.fleet.workers()} == before)
    module.write_text(VERSION.format(2))
    reload(command)
    wait_until(lambda: version_of(place.run("version")) == 2)
    wait_until(lambda: stale(place) == "")


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV while it imported {}"),
        ("import os; os._exit(3)", "exit code 3 while it imported {}"),
        ("import sys; sys.exit(3)", "handlers file {} does not import: SystemExit: 3"),
    ],
)
def test_a_module_that_ends_its_process_when_it_is_imported_is_named_and_keeps_the_old_workers(
    place: Workplace, module: Path, deed: str, told: str
) -> None:
    command = start(place, module, workers=1)
    module.write_text(deed + "\n")
    command.signal(signal.SIGHUP)
    command.wait_for(BROKEN)
    assert told.format(module) in command.err
    assert version_of(place.run("version")) == 1


def test_an_import_that_hangs_is_ended_after_its_time_and_told_and_the_old_workers_go_on(
    place: Workplace, module: Path
) -> None:
    command = start(place, module, "--supervisor-start-timeout", "1", workers=1)
    wait_until_ready(place, "idle", "spare")
    os.mkfifo(place.folder / "never")
    module.write_text(f"open({str(place.folder / 'never')!r}).read()\n")
    command.signal(signal.SIGHUP)
    command.wait_for(BROKEN)
    wait_until(lambda: f"{module} takes longer to import than supervisor.start_timeout" in (stale(place) or ""))
    wait_until(lambda: len(psutil.Process(command.process.pid).children()) == 2)
    assert version_of(place.run("version")) == 1
    module.write_text(VERSION.format(2))
    reload(command)
    wait_until(lambda: version_of(place.run("version")) == 2)


def test_a_second_sighup_starts_over_while_an_import_hangs(place: Workplace, module: Path) -> None:
    command = start(place, module, workers=1)
    pipe = place.folder / "never"
    os.mkfifo(pipe)
    module.write_text(f"open({str(pipe)!r}).read()\n")
    command.signal(signal.SIGHUP)
    command.wait_for("reloading the handlers")
    # From here on it has read the module, which may be written anew: what is half written, it could take for all.
    held = wait_until_read(pipe)
    assert version_of(place.run("version")) == 1
    module.write_text(VERSION.format(2))
    reload(command)
    wait_until(lambda: version_of(place.run("version")) == 2)
    wait_until(lambda: len(psutil.Process(command.process.pid).children()) == 2)
    os.close(held)


def wait_until_read(pipe: Path) -> int:
    """Return the writing end of a FIFO once somebody reads it; while that is open, they wait."""
    found: list[int] = []

    def open_it() -> bool:
        # Without a reader it cannot be opened.
        with suppress(OSError):
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    wait_until(open_it)
    return found[0]


def test_an_import_is_read_anew_even_if_an_edit_left_its_size_and_second_alike(place: Workplace, module: Path) -> None:
    helper = place.folder / "helper.py"
    helper.write_text("VALUE = 1\n")
    module.write_text(
        "from jobworker.handlers import handler\nimport helper\n@handler\ndef version(): return helper.VALUE"
    )
    command = start(place, module, workers=1)
    assert version_of(place.run("version")) == 1
    second = helper.stat().st_mtime_ns
    helper.write_text("VALUE = 2\n")
    os.utime(helper, ns=(second, second))
    reload(command)
    wait_until(lambda: version_of(place.run("version")) == 2)


def test_a_supervisor_that_drains_does_not_reload(place: Workplace, module: Path, gate: Gate) -> None:
    command = start(place, module, "--grace", "600", workers=1)
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    command.signal(signal.SIGTERM)
    command.wait_for("draining")
    command.signal(signal.SIGHUP)
    gate.open()
    assert command.wait() == 0
    assert "reloading" not in command.err
    assert place.store.get(job_id).status is JobState.SUCCEEDED
