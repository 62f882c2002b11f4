"""The pool: who is forked when, who is idle, and what a death tells."""

import asyncio
import os
import signal
from itertools import pairwise
from typing import Any

import pytest

from jobworker.store.states import Outcome
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import Stage
from jobworker.supervisor.verdict import Intent
from tests.support.stand_ins import ENTRY, HELLO, StandIns, report, say, shoot
from tests.unit.supervisor.pool_scene import Killed, Scene
from tests.unit.supervisor.running import Running

INTENT = Intent(Outcome.CANCELLED, "because of the test")


def test_the_first_worker_is_alone_until_it_is_ready(scene: Scene) -> None:
    scene.pool.start()
    scene.let_pass()
    assert len(scene.made) == 1
    say(scene.made[0], HELLO)
    scene.let_pass()
    assert scene.stages() == [Stage.IDLE, Stage.STARTING, Stage.STARTING]
    assert scene.pool.catalogue == {"echo": ENTRY}
    assert scene.pool.first_hello.result() == HELLO


def test_as_many_serve_as_wanted_and_the_rest_is_spare(scene: Scene) -> None:
    scene.full()
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE]
    assert scene.told.idle == 2
    assert [worker.pid for worker in scene.pool.crew.idle()] == [worker.pid for worker in scene.made[:2]]


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


def test_the_fence_reaches_every_worker_also_those_forked_later(scene: Scene) -> None:
    scene.full()
    scene.pool.set_fence(77)
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    assert [worker.board.fence_ns for worker in scene.made[1:]] == [77, 77, 77]


def test_when_many_ask_at_once_one_a_turn_is_forked(scene: Scene) -> None:
    scene.full()
    for worker in scene.made[:2]:
        worker.jobs = 1
        shoot(worker)
        scene.pool._reap(worker)
    assert len(scene.made) == 4
    scene.let_pass()
    assert len(scene.made) == 5


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
    assert [session for session, _ in scene.told.orphans] == [os.getsid(0)]


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
