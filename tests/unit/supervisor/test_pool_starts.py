"""The pool's starts: what fails one, what brakes the next, what counts as a restart."""

import errno
import signal

import pytest
from structlog.testing import capture_logs

from jobworker.store.states import Outcome
from jobworker.supervisor.errors import WorkerStartFailed
from jobworker.supervisor.messages import Hello, Importing, LoadFailure
from jobworker.supervisor.process import Stage
from jobworker.supervisor.releases import CHANGED
from jobworker.supervisor.verdict import Intent
from tests.support.stand_ins import ENTRY, HELLO, StandIns, report, say
from tests.unit.supervisor.pool_scene import Scene
from tests.unit.supervisor.running import Running

INTENT = Intent(Outcome.CANCELLED, "because of the test")


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


def test_an_import_that_hangs_ends_with_its_time_and_fails_the_start(running: Running, stand_ins: StandIns) -> None:
    scene = Scene(running, stand_ins, slow_start_seconds=0.01, start_timeout_seconds=0.03)
    scene.pool.start()
    say(scene.made[0], Importing("work.py"))
    running.until(scene.pool.first_hello.done)
    with pytest.raises(WorkerStartFailed, match=r"work.py takes longer to import .*start_timeout lets it \(0.03 s\)"):
        scene.pool.first_hello.result()
    assert scene.killer.told == [scene.made[0].pid]


def test_a_replacement_whose_import_hangs_is_ended_told_and_braked_and_counts_as_no_death(scene: Scene) -> None:
    scene.start()
    say(scene.made[1], Importing("work.py"))
    scene.let_pass()
    scene.pool._start_hangs(scene.made[1], 60.0)
    assert scene.killer.told == [scene.made[1].pid]
    assert "work.py takes longer to import" in scene.pool.releases.stale
    assert scene.pool._starts.held_back
    scene.die(scene.made[1])
    assert scene.pool.deaths.count == 0
    assert scene.stages()[0] is Stage.IDLE


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
    with pytest.raises(WorkerStartFailed, match="SIGSEGV while it imported the built-in handlers"):
        scene.pool.first_hello.result()
    assert len(scene.made) == 1


def test_a_first_fork_that_is_refused_fails_the_start_with_its_reason(scene: Scene) -> None:
    scene.stand_ins.failure = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    scene.pool.start()
    with pytest.raises(WorkerStartFailed, match="could not be forked: Resource temporarily unavailable"):
        scene.pool.first_hello.result()


def test_a_fork_that_is_refused_later_is_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.starts.FIRST_WAIT_SECONDS", 0.01)
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
    scene.pool._starts.wait_seconds = 0.01
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
    scene.pool._starts.wait_seconds = 20.0
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
    assert scene.pool.deaths.count == 2


def test_what_a_worker_is_killed_for_writing_counts_as_a_restart(scene: Scene) -> None:
    scene.full()
    scene.made[0]._theirs.send(b"garbage")
    scene.let_pass()
    scene.die(scene.made[0])
    assert scene.pool.deaths.count == 1


def test_a_death_that_was_asked_for_counts_as_none(scene: Scene) -> None:
    scene.full()
    cancelled, retired = scene.made[:2]
    scene.pool.kill(cancelled, INTENT)
    scene.die(cancelled)
    retired.stage = Stage.BUSY
    report(retired, retiring="it left threads")
    scene.let_pass()
    scene.die(retired)
    assert scene.pool.deaths.count == 0


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


def test_a_change_on_disk_is_warned_of_once_and_once_more_when_it_changes_again(scene: Scene) -> None:
    with capture_logs() as logs:
        scene.start()
        for digest in ("other", "other", "third"):
            scene.pool._starts.begin_anew()
            say(scene.made[-1], Hello((ENTRY,), digest))
            scene.let_pass()
            scene.die(scene.made[-1])
            scene.pool._starts.begin_anew()
            scene.pool._fill()
            scene.let_pass()
    told = [line for line in logs if line["event"] == CHANGED]
    assert [(line["log_level"], line["in_use"], line["on_disk"]) for line in told] == [
        ("warning", "digest", "other"),
        ("warning", "digest", "third"),
    ]
    assert scene.pool.releases.stale == CHANGED


def test_a_worker_that_is_shot_while_it_waits_is_not_said_to_have_failed_at_its_import(scene: Scene) -> None:
    scene.full()
    with capture_logs() as logs:
        scene.die(scene.made[2])
    [told] = [line for line in logs if line["event"] == "a worker ended before its first job"]
    assert told["why"] == "SIGKILL while it had no job, sent from outside"


def test_a_later_module_that_does_not_load_is_braked_too(scene: Scene) -> None:
    scene.start()
    say(scene.made[1], LoadFailure("broken", None))
    scene.let_pass()
    scene.die(scene.made[1])
    assert len(scene.made) == 3
    assert scene.stages()[0] is Stage.IDLE
