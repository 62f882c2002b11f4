"""The pool: who is forked when, who is idle, and what a death tells."""

import asyncio
import errno
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.states import Outcome
from jobworker.supervisor.errors import WorkerStartFailed
from jobworker.supervisor.messages import Hello, Importing, LoadFailure, Report
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.tree import Killer
from jobworker.supervisor.verdict import Intent
from tests.support.stand_ins import ENTRY, HELLO, StandIns, report, say, shoot
from tests.unit.supervisor.conftest import Running

INTENT = Intent(Outcome.CANCELLED, "because of the test")


class Killed(Killer):
    """Kills nobody by itself: says whom it was told to kill."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []

    def kill(self, root: int) -> None:
        self.told.append(root)


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.idle = 0
        self.reports: list[Report] = []
        self.deaths: list[tuple[int, int, bool]] = []
        self.orphans = 0

    def became_idle(self) -> None:
        self.idle += 1

    def reported(self, worker: WorkerProcess, report: Report) -> None:
        self.reports.append(report)

    def orphan_died(self) -> None:
        self.orphans += 1

    def died(self, worker: WorkerProcess, status: int, *, started: bool) -> None:
        self.deaths.append((worker.pid, status, started))


class Scene:
    """A pool of two workers and a spare."""

    def __init__(self, running: Running, stand_ins: StandIns, **options: float) -> None:
        self.runner, self.loop = running
        self.stand_ins = stand_ins
        self.killer = Killed()
        self.pool = Pool(2, 1, stand_ins.fork, self.killer, self.loop, **options)
        self.told = self.pool.listener = Told()

    @property
    def made(self) -> list[WorkerProcess]:
        return self.stand_ins.made

    def stages(self) -> list[Stage]:
        return [worker.stage for worker in self.made]

    def let_pass(self, seconds: float = 0.0) -> None:
        """Run the loop until it has nothing more to read, or for some time of its clock."""
        self.runner.run(_turns(seconds))

    def start(self) -> None:
        self.pool.start()
        say(self.made[0], HELLO)
        self.let_pass()

    def full(self) -> None:
        """Have two idle workers and a warm spare."""
        self.start()
        for worker in self.made[1:]:
            say(worker, HELLO)
        self.let_pass()

    def die(self, worker: WorkerProcess, number: signal.Signals = signal.SIGKILL) -> None:
        shoot(worker, number)
        self.let_pass()


async def _turns(seconds: float) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    if seconds:
        await asyncio.sleep(seconds)


@pytest.fixture
def scene(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    scene = Scene(running, stand_ins)
    yield scene
    if scene.pool.first_hello.done():
        scene.pool.first_hello.exception()


def test_the_first_worker_is_alone_until_it_is_ready(scene: Scene) -> None:
    scene.pool.start()
    scene.let_pass()
    assert len(scene.made) == 1
    say(scene.made[0], HELLO)
    scene.let_pass()
    assert scene.stages() == [Stage.IDLE, Stage.STARTING, Stage.STARTING]
    assert scene.pool.catalogue == {"echo": ENTRY}
    assert scene.pool.first_hello.result() == HELLO


def test_a_slow_import_is_named_less_and_less_often_until_it_is_over(running: Running, stand_ins: StandIns) -> None:
    scene = Scene(running, stand_ins, slow_start_seconds=0.01)
    with capture_logs() as logs:
        scene.pool.start()
        say(scene.made[0], Importing("work.py"))
        running.until(lambda: len(logs) == 3)
        say(scene.made[0], HELLO)
        scene.let_pass()
        scene.let_pass(0.1)
    slow = [line for line in logs if line["event"] == "still importing handlers"]
    told = [(line["module"], line["seconds"]) for line in slow if line["worker"] == scene.made[0].pid]
    assert told == [("work.py", 0.01), ("work.py", 0.02), ("work.py", 0.04)]


def test_as_many_serve_as_wanted_and_the_rest_is_spare(scene: Scene) -> None:
    scene.full()
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE]
    assert scene.told.idle == 2
    assert [worker.pid for worker in scene.pool.idle_workers()] == [worker.pid for worker in scene.made[:2]]


def test_a_spare_takes_the_place_of_the_dead_and_is_replaced(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    assert scene.stages()[1:] == [Stage.IDLE, Stage.IDLE, Stage.STARTING]
    assert scene.told.deaths == [(scene.made[0].pid, signal.SIGKILL, True)]
    assert scene.made[0].pid not in scene.pool.workers


def test_a_spare_serves_before_the_victim_of_a_kill_is_dead(scene: Scene) -> None:
    scene.full()
    scene.pool.kill(scene.made[0], INTENT)
    assert scene.killer.told == [scene.made[0].pid]
    assert scene.stages() == [Stage.ENDING, Stage.IDLE, Stage.IDLE]


def test_a_kill_waits_for_no_fork_and_the_dead_are_replaced(scene: Scene) -> None:
    scene.full()
    for worker in scene.made[:2]:
        scene.pool.kill(worker, INTENT)
    assert len(scene.made) == 3
    scene.die(scene.made[0])
    assert scene.stages()[2:] == [Stage.IDLE, Stage.STARTING, Stage.STARTING]


def test_nothing_is_forked_while_something_is_being_killed(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = scene.made[1].stage = Stage.BUSY
    scene.killer._roots[scene.made[1].pid] = (0, 0)
    scene.die(scene.made[0])
    assert scene.stages()[1:] == [Stage.BUSY, Stage.IDLE]
    scene.killer._roots.clear()
    scene.die(scene.made[1])
    assert scene.stages()[2:] == [Stage.IDLE, Stage.STARTING, Stage.STARTING]


def test_between_two_forks_the_loop_turns(scene: Scene) -> None:
    scene.full()
    for worker in scene.made[:2]:
        worker.stage = Stage.BUSY
        shoot(worker)
    made: list[int] = []

    async def reap_and_count() -> None:
        scene.pool.reap_orphans()
        for _ in range(4):
            made.append(len(scene.made))
            await asyncio.sleep(0)

    scene.runner.run(reap_and_count())
    assert made[-1] == 5
    assert all(after - before <= 1 for before, after in pairwise([4, *made]))


def test_what_cannot_be_killed_is_replaced_after_a_while(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.pool.REPLACE_SECONDS", 0.01)
    scene.full()
    scene.pool.kill(scene.made[0], INTENT)
    scene.let_pass(0.05)
    assert scene.stages() == [Stage.ENDING, Stage.IDLE, Stage.IDLE, Stage.STARTING]


def test_the_first_intent_stands(scene: Scene) -> None:
    scene.full()
    scene.pool.kill(scene.made[0], INTENT)
    scene.pool.kill(scene.made[0], Intent(Outcome.SHUTDOWN, "too late"))
    assert scene.made[0].intent == INTENT
    assert scene.killer.told == [scene.made[0].pid]


def test_the_reaped_are_never_killed_for_their_pid_may_be_another_s(scene: Scene) -> None:
    scene.full()
    scene.die(scene.made[0])
    scene.pool.kill(scene.made[0], INTENT)
    assert scene.killer.told == []
    assert scene.made[0].intent is None


def test_a_report_makes_a_busy_worker_idle_and_is_passed_on(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    report(scene.made[0], 5)
    scene.let_pass()
    assert [one.token for one in scene.told.reports] == [5]
    assert scene.made[0].stage is Stage.IDLE
    assert scene.told.idle == 3


def test_a_report_of_a_worker_being_killed_is_heard_and_changes_no_fate(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.pool.kill(scene.made[0], INTENT)
    report(scene.made[0], 5)
    scene.let_pass()
    assert [one.token for one in scene.told.reports] == [5]
    assert scene.made[0].stage is Stage.ENDING


def test_a_report_that_the_dead_left_in_its_mailbox_comes_before_its_death(scene: Scene) -> None:
    scene.full()
    worker = scene.made[0]
    worker.stage = Stage.BUSY
    shoot(worker)
    report(worker, 5)
    scene.pool._reap(worker)
    assert [one.token for one in scene.told.reports] == [5]
    assert scene.told.deaths == [(worker.pid, signal.SIGKILL, True)]


def test_an_assignment_that_the_dead_had_not_read_was_not_started(scene: Scene) -> None:
    scene.full()
    worker = scene.made[0]
    worker.stage = Stage.BUSY
    worker.mailbox.send(b"assignment")
    scene.die(worker)
    assert scene.told.deaths == [(worker.pid, signal.SIGKILL, False)]


@pytest.mark.parametrize("garbage", [b"fnonsense", b"x", b"m", b""])
def test_garbage_in_the_mailbox_ends_its_worker_alone(scene: Scene, garbage: bytes) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.made[0]._theirs.socket.send(garbage)
    scene.let_pass()
    assert scene.killer.told == [scene.made[0].pid]
    assert scene.made[0].intent == Intent(Outcome.CRASHED, "for writing into its mailbox what is no report")


def test_a_worker_that_closes_its_side_is_not_listened_to_for_ever(scene: Scene) -> None:
    scene.full()
    scene.made[0]._theirs.close_writing()
    scene.let_pass()
    assert scene.killer.told == [scene.made[0].pid]
    assert not scene.loop.remove_reader(scene.made[0].mailbox.fileno())


def test_a_report_before_the_garbage_counts(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    report(scene.made[0], 5)
    scene.made[0]._theirs.socket.send(b"garbage")
    scene.let_pass()
    assert [one.token for one in scene.told.reports] == [5]
    assert scene.killer.told == [scene.made[0].pid]


def test_a_worker_that_retires_reads_the_end_and_is_replaced(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    report(scene.made[0], 5, retiring="its job left threads")
    scene.let_pass()
    assert scene.stages() == [Stage.ENDING, Stage.IDLE, Stage.IDLE, Stage.STARTING]
    assert scene.made[0]._theirs.receive() is None
    assert scene.killer.told == []


def test_a_module_that_does_not_load_fails_the_start_and_nothing_else_is_forked(scene: Scene) -> None:
    scene.pool.start()
    say(scene.made[0], LoadFailure("module x does not import: E: no", "Traceback: …"))
    scene.let_pass()
    scene.die(scene.made[0])
    with pytest.raises(WorkerStartFailed, match="Traceback: …\nmodule x does not import: E: no"):
        scene.pool.first_hello.result()
    assert len(scene.made) == 1


def test_a_first_worker_that_dies_fails_the_start_and_nothing_else_is_forked(scene: Scene) -> None:
    scene.pool.start()
    scene.let_pass()
    scene.die(scene.made[0], signal.SIGSEGV)
    with pytest.raises(WorkerStartFailed, match="SIGSEGV before it reported"):
        scene.pool.first_hello.result()
    assert len(scene.made) == 1


def test_a_first_fork_that_is_refused_fails_the_start_with_its_reason(scene: Scene) -> None:
    scene.stand_ins.failure = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    scene.pool.start()
    with pytest.raises(WorkerStartFailed, match="could not be forked: Resource temporarily unavailable"):
        scene.pool.first_hello.result()


def test_a_fork_that_is_refused_later_is_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.pool.FIRST_WAIT_SECONDS", 0.01)
    scene.full()
    scene.stand_ins.failure = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    assert len(scene.made) == 3
    scene.stand_ins.failure = None
    scene.let_pass(0.3)
    assert len(scene.made) == 4


def test_a_loop_of_deaths_at_start_is_braked_and_the_old_workers_go_on(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    scene.pool._wait_seconds = 0.01
    for wait_seconds in (0.01, 0.02, 0.04):
        forked = len(scene.made)
        scene.die(scene.made[-1])
        assert len(scene.made) == forked
        scene.let_pass(wait_seconds + 0.005)
        assert len(scene.made) == forked + 1
    assert scene.stages()[1:3] == [Stage.IDLE, Stage.IDLE]


def test_dying_right_after_the_hello_is_such_a_loop_too(scene: Scene) -> None:
    scene.full()
    scene.die(scene.made[2])
    assert len(scene.made) == 3
    scene.let_pass(0.15)
    assert len(scene.made) == 4


def test_a_worker_that_has_proven_itself_is_replaced_without_delay(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    report(scene.made[0])
    scene.let_pass()
    scene.die(scene.made[0])
    assert len(scene.made) == 4


def test_a_report_takes_the_brake_off(scene: Scene) -> None:
    scene.full()
    scene.pool._wait_seconds = 20.0
    scene.made[0].stage = Stage.BUSY
    report(scene.made[0])
    scene.let_pass()
    scene.die(scene.made[2])
    scene.let_pass(0.15)
    assert len(scene.made) == 4


def test_a_death_that_nobody_asked_for_counts_as_a_restart(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    scene.die(scene.made[2])
    assert scene.pool.restarts == 2


def test_what_a_worker_is_killed_for_writing_counts_as_a_restart(scene: Scene) -> None:
    scene.full()
    scene.made[0]._theirs.send(b"garbage")
    scene.let_pass()
    scene.die(scene.made[0])
    assert scene.pool.restarts == 1


def test_a_death_that_was_asked_for_counts_as_none(scene: Scene) -> None:
    scene.full()
    cancelled, retired = scene.made[:2]
    scene.pool.kill(cancelled, INTENT)
    scene.die(cancelled)
    retired.stage = Stage.BUSY
    report(retired, retiring="it left threads")
    scene.let_pass()
    scene.die(retired)
    assert scene.pool.restarts == 0


def test_code_that_changed_on_disk_is_not_used_and_asked_for_again_later(scene: Scene) -> None:
    scene.start()
    say(scene.made[1], Hello((ENTRY,), "other digest"))
    scene.let_pass()
    assert scene.made[1].stage is Stage.ENDING
    assert scene.made[1]._theirs.receive() is None
    scene.die(scene.made[1])
    assert len(scene.made) == 3
    scene.let_pass(0.15)
    assert len(scene.made) == 4


def test_a_later_module_that_does_not_load_is_braked_too(scene: Scene) -> None:
    scene.start()
    say(scene.made[1], LoadFailure("broken", None))
    scene.let_pass()
    scene.die(scene.made[1])
    assert len(scene.made) == 3
    assert scene.stages()[0] is Stage.IDLE


def test_the_fence_reaches_every_worker_also_those_forked_later(scene: Scene) -> None:
    scene.full()
    scene.pool.set_fence(77)
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    assert [worker.board.fence_ns for worker in scene.made[1:]] == [77, 77, 77]


def test_orphans_are_reaped_and_workers_keep_their_status(scene: Scene) -> None:
    scene.full()
    orphan = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
    os.kill(orphan, signal.SIGKILL)
    shoot(scene.made[0], signal.SIGSEGV)
    os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
    scene.pool.reap_orphans()
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, os.WNOHANG)
    assert scene.told.deaths == [(scene.made[0].pid, signal.SIGSEGV, True)]


def test_a_closed_pool_lets_the_idle_go_waits_for_the_busy_and_forks_no_more(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.pool.close()
    assert scene.stages() == [Stage.BUSY, Stage.ENDING, Stage.ENDING]
    report(scene.made[0])
    scene.let_pass()
    assert scene.made[0].stage is Stage.ENDING
    for worker in list(scene.made):
        scene.die(worker)
    scene.runner.run(scene.pool.wait_until_empty())
    assert len(scene.made) == 3


def test_a_worker_that_does_not_go_is_killed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.pool.DISMISSAL_SECONDS", 0.02)
    scene.full()
    scene.pool.close()
    scene.die(scene.made[0])
    scene.let_pass(0.1)
    assert scene.killer.told == [worker.pid for worker in scene.made[1:]]


def test_a_pool_that_never_forked_is_empty_when_closed(running: Running, stand_ins: StandIns) -> None:
    pool: Any = Pool(2, 1, stand_ins.fork, Killed(), running.loop)
    pool.close()
    running.runner.run(pool.wait_until_empty())
    assert stand_ins.made == []


def test_death_releases_every_descriptor(scene: Scene) -> None:
    scene.full()
    before = len(os.listdir("/proc/self/fd"))
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    # One has gone, one has come.
    assert len(os.listdir("/proc/self/fd")) == before
