"""Limits while a job runs, and why an attempt ended, on real processes."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from jobworker.store.job import Attempt, JobRecord
from jobworker.store.limits import MIB
from jobworker.store.states import JobState, KilledBy, Outcome
from jobworker.supervisor.oom import find_counter
from jobworker.supervisor.process import OOM_SCORE
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

HANDLERS: Final = '''
import asyncio, os, subprocess, sys, time
from jobworker.handlers import SoftTimeout, handler

HOLD = "import time; held = b'x' * (%d << 20); time.sleep(600)"

@handler("holds.in.child", memory_limit_mb=150)
def holds_in_child(megabytes: int):
    subprocess.run([sys.executable, "-c", HOLD % megabytes], check=True)

@handler("shares", memory_limit_mb=250)
def shares(seconds: float):
    """Six processes that share 150 MiB: 900 by RSS."""
    held = b"x" * (150 << 20)
    children = []
    for _ in range(5):
        pid = os.fork()
        if not pid:
            time.sleep(seconds)
            os._exit(0)
        children.append(pid)
    for pid in children: os.waitpid(pid, 0)
    return len(held) >> 20

@handler("tidies.up", soft_timeout=0.2)
def tidies_up():
    try: time.sleep(600)
    except SoftTimeout: return "half"

@handler("lets.pass", soft_timeout=0.2, max_attempts=1)
async def lets_pass():
    await asyncio.sleep(600)

@handler("swallows", soft_timeout=0.2, timeout=0.7, max_attempts=1)
def swallows():
    while True:
        try: time.sleep(600)
        except BaseException: pass

@handler("is.quick", soft_timeout=0.2)
def is_quick(n: int): return n
'''


@pytest.fixture
def scene(place: Workplace) -> Workplace:
    """A workplace whose supervisors know the handlers above, too."""
    (place.folder / "limits.py").write_text(HANDLERS)
    return place


def start(scene: Workplace, *options: str, workers: int = 1) -> psutil.Process:
    command = scene.start(f"--handlers={scene.folder / 'limits.py'}", *options, workers=workers)
    command.wait_for("ready")
    return psutil.Process(command.process.pid)


def only_attempt(record: JobRecord) -> Attempt:
    (attempt,) = record.attempts
    return attempt


def message(record: JobRecord) -> str:
    error = only_attempt(record).detail.error
    assert error is not None
    assert error == record.error
    return error.message


def test_a_job_over_its_memory_limit_is_killed_and_says_how_much_it_used(scene: Workplace) -> None:
    start(scene)
    record = scene.run("allocate", {"megabytes": 300, "seconds": 600}, memory_limit_mb=200, max_crashes=1)
    attempt = only_attempt(record)
    assert (record.status, record.reason, attempt.outcome) == (JobState.FAILED, "crash_loop", Outcome.OUT_OF_MEMORY)
    assert (attempt.detail.killed_by, attempt.detail.signal) == (KilledBy.MEMORY_LIMIT, "SIGKILL")
    used = re.fullmatch(r"killed because it used (\d+) MiB of memory, over its limit of 200 MiB", message(record))
    assert used
    assert 200 < int(used[1]) < 400


def test_below_its_limit_it_is_left_alone(scene: Workplace) -> None:
    start(scene)
    record = scene.run("allocate", {"megabytes": 100, "seconds": 1.2}, memory_limit_mb=400)
    assert (record.status, record.attempts) == (JobState.SUCCEEDED, ())


def test_what_a_job_has_started_counts_and_dies_with_it(scene: Workplace) -> None:
    start(scene)
    record = scene.run("holds.in.child", 300, max_crashes=1)
    attempt = only_attempt(record)
    assert attempt.outcome is Outcome.OUT_OF_MEMORY
    assert attempt.detail.receipt is not None
    # The worker itself has some 50 of them.
    assert attempt.detail.receipt.peak_rss_bytes is not None
    assert attempt.detail.receipt.peak_rss_bytes > 150 * MIB
    assert not [process for process in psutil.process_iter(["cmdline"]) if "300 << 20" in str(process.info["cmdline"])]
    assert scene.run("pid").status is JobState.SUCCEEDED


def test_what_forks_share_counts_once(scene: Workplace) -> None:
    start(scene)
    record = scene.run("shares", 1.6)
    assert (record.status, record.result, record.attempts) == (JobState.SUCCEEDED, b"150", ())


def test_the_settings_limit_what_nobody_else_does(scene: Workplace) -> None:
    start(scene, "--jobs-memory-limit-mb", "200")
    record = scene.run("allocate", {"megabytes": 300, "seconds": 600}, max_crashes=1)
    assert only_attempt(record).outcome is Outcome.OUT_OF_MEMORY


def test_the_kernel_prefers_workers_and_what_they_start_to_the_supervisor(scene: Workplace, gate: Gate) -> None:
    supervisor = start(scene)
    started = scene.folder / "pids"
    scene.submit("hang", {"how": "tree", "started": str(started)})
    pids = [int(line[0]) for line in scene.lines(started, 4)]
    assert {_oom_score(pid) for pid in pids} == {min(_oom_score(supervisor.pid) + OOM_SCORE, 1000)}


def _oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_a_handler_tidies_up_at_its_soft_timeout(scene: Workplace) -> None:
    start(scene)
    record = scene.run("tidies.up")
    assert (record.status, record.result) == (JobState.SUCCEEDED, b'"half"')
    assert record.receipt is not None
    assert 0.2 <= record.receipt.wall_seconds < 5


def test_a_soft_timeout_that_is_not_caught_is_a_failed_attempt_and_kills_nobody(scene: Workplace) -> None:
    start(scene)
    before = scene.run("pid").result
    record = scene.run("lets.pass")
    attempt = only_attempt(record)
    assert (record.reason, attempt.outcome) == ("max_attempts", Outcome.TIMED_OUT)
    assert message(record) == "the soft timeout of 0.2 s has passed"
    assert attempt.detail.error is not None
    assert "in lets_pass" in (attempt.detail.error.traceback or "")
    assert (attempt.detail.killed_by, attempt.detail.signal) == (None, None)
    assert scene.run("pid").result == before


def test_what_swallows_it_meets_the_deadline(scene: Workplace) -> None:
    start(scene)
    record = scene.run("swallows")
    assert message(record) == "killed at its deadline of 0.7 s"
    assert only_attempt(record).detail.killed_by is KilledBy.DEADLINE


def test_a_deadline_that_a_request_puts_first_comes_alone(scene: Workplace) -> None:
    start(scene)
    record = scene.run("tidies.up", timeout_ms=150, max_attempts=1)
    assert message(record) == "killed at its deadline of 0.15 s"


def test_jobs_that_end_in_time_are_never_interrupted(scene: Workplace) -> None:
    start(scene, workers=2)
    ids = [scene.submit("is.quick", number) for number in range(300)]
    assert [scene.end(job_id).result for job_id in ids] == [str(number).encode() for number in range(300)]
    assert not [job_id for job_id in ids if scene.store.get(job_id).attempts]


@pytest.mark.parametrize(
    ("payload", "words", "exit_code", "name"),
    [
        ({"exit_code": 3}, "exit code 3 before it reported", 3, None),
        ({"signal": signal.SIGTERM.value}, None, None, None),
        ({"signal": signal.SIGABRT.value}, "SIGABRT before it reported", None, "SIGABRT"),
        ({"signal": signal.SIGRTMIN + 3}, "SIGRTMIN+3 before it reported", None, "SIGRTMIN+3"),
    ],
)
def test_how_a_worker_died_by_itself_is_told(
    scene: Workplace, payload: dict[str, int], words: str | None, exit_code: int | None, name: str | None
) -> None:
    start(scene)
    record = scene.run("crash", payload, max_crashes=1)
    if words is None:
        # Workers do nothing about a SIGTERM.
        assert record.status is JobState.SUCCEEDED
        return
    detail = only_attempt(record).detail
    assert message(record) == words
    assert (detail.exit_code, detail.signal, detail.killed_by) == (exit_code, name, None)


def test_a_segmentation_fault_is_told(scene: Workplace) -> None:
    start(scene)
    assert message(scene.run("segfault", max_crashes=1)) == "SIGSEGV before it reported"


def test_a_cancel_is_told_and_whose_it_was(scene: Workplace, gate: Gate) -> None:
    start(scene)
    job_id = scene.submit("gate", gate.payload)
    gate.wait_for_attempt()
    scene.store.cancel(job_id)
    attempt = only_attempt(scene.end(job_id))
    assert (attempt.outcome, attempt.detail.killed_by) == (Outcome.CANCELLED, KilledBy.CANCEL)
    assert attempt.detail.error is not None
    assert attempt.detail.error.message.startswith("killed because")


def test_a_sigkill_from_outside_is_not_taken_for_the_kernels(scene: Workplace, gate: Gate) -> None:
    start(scene)
    job_id = scene.submit("gate", gate.payload, max_crashes=1)
    os.kill(gate.wait_for_attempt(), signal.SIGKILL)
    record = scene.end(job_id)
    attempt = only_attempt(record)
    assert (attempt.outcome, attempt.detail.signal, attempt.detail.killed_by) == (Outcome.CRASHED, "SIGKILL", None)
    readable = find_counter(Path("/proc/self"), Path("/")) is not None
    known = (
        "not by the kernel's OOM killer: the cgroup counted no oom_kill"
        if readable
        else "a person, or the kernel's OOM killer; its counters cannot be read here"
    )
    assert message(record) == f"SIGKILL before it reported, sent by the job itself or from outside ({known})"


def test_a_lost_supervisor_is_told(scene: Workplace, gate: Gate) -> None:
    first = start(scene)
    job_id = scene.submit("gate", gate.payload)
    gate.wait_for_attempt()
    first.kill()
    scene.commands[0].wait()
    start(scene)
    gate.wait_for_attempt(2)
    gate.open()
    gate.open()
    attempt = only_attempt(scene.end(job_id))
    assert (attempt.outcome, attempt.detail.killed_by) == (Outcome.LOST, None)
    assert attempt.detail.error is not None
    assert attempt.detail.error.message == (
        "the supervisor one was lost: it has ended, and a successor has taken its name"
    )


def test_a_refused_payload_is_told(scene: Workplace) -> None:
    start(scene)
    record = scene.run("is.quick", "no number")
    assert (record.reason, only_attempt(record).outcome) == ("invalid_payload", Outcome.REJECTED)
    assert message(record) == "the payload does not fit is.quick: Expected `int`, got `str`"


class Cgroup:
    """A cgroup of the test's own, with a limit of memory, that a command can be started in."""

    def __init__(self, folder: Path, limit_file: str) -> None:
        self.folder = folder
        self._limit_file = limit_file

    @classmethod
    def make(cls, megabytes: int) -> "Cgroup":
        """Raises OSError where we may not."""
        counter = find_counter(Path("/proc/self"), Path("/"))
        if counter is None:
            raise OSError("no cgroup can be read")
        version_1 = counter.name == "memory.oom_control"
        folder = counter.parent / f"jobworker-test-{os.getpid()}"
        cgroup = cls(folder, "memory.limit_in_bytes" if version_1 else "memory.max")
        folder.mkdir()
        try:
            (folder / cgroup._limit_file).write_text(str(megabytes << 20))
        except OSError:
            folder.rmdir()
            raise
        return cgroup

    @property
    def prefix(self) -> list[str]:
        """What a command begins with to run in it."""
        return ["/bin/sh", "-c", f'echo $$ > "{self.folder}/cgroup.procs"; exec "$@"', "sh"]

    def close(self) -> None:
        wait_until(lambda: not (self.folder / "cgroup.procs").read_text())
        self.folder.rmdir()


@pytest.fixture
def cgroup(place: Workplace) -> Iterator[Cgroup]:
    try:
        cgroup = Cgroup.make(300)
    except OSError as error:
        pytest.skip(f"no cgroup with a limit can be made here: {error}")
    yield cgroup
    place.close()
    cgroup.close()


def test_the_kernels_oom_killer_is_named_in_a_real_cgroup(place: Workplace, cgroup: Cgroup) -> None:
    place.start(prefix=cgroup.prefix, workers=1).wait_for("ready")
    record = place.run("allocate", {"megabytes": 600}, max_crashes=1)
    attempt = only_attempt(record)
    assert message(record) == "killed by the kernel's OOM killer (the cgroup counted one more oom_kill)"
    assert (attempt.outcome, attempt.detail.signal) == (Outcome.OUT_OF_MEMORY, "SIGKILL")
    assert attempt.detail.killed_by is KilledBy.OOM_KILLER
    assert place.run("pid").status is JobState.SUCCEEDED


def test_a_person_is_told_from_the_kernel_in_a_real_cgroup(place: Workplace, cgroup: Cgroup, gate: Gate) -> None:
    place.start(prefix=cgroup.prefix, workers=1).wait_for("ready")
    assert only_attempt(place.run("allocate", {"megabytes": 600}, max_crashes=1)).outcome is Outcome.OUT_OF_MEMORY
    job_id = place.submit("gate", gate.payload, max_crashes=1)
    os.kill(gate.wait_for_attempt(), signal.SIGKILL)
    assert only_attempt(place.end(job_id)).outcome is Outcome.CRASHED
