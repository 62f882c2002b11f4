"""The pool's reloads: who is tried, who replaces whom, and what a failed trial leaves as it was."""

import signal
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor.messages import Hello, Importing, LoadFailure
from jobworker.supervisor.process import Stage
from jobworker.supervisor.releases import DOES_NOT_LOAD, IS_SLOW
from tests.support.stand_ins import ENTRY, HELLO, StandIns, report, say
from tests.unit.supervisor.pool_scene import Scene
from tests.unit.supervisor.running import Running

NEW_ENTRY = HandlerEntry("new", {}, HandlerDefaults())
NEW = Hello((ENTRY, NEW_ENTRY), "other digest")


def reload(scene: Scene) -> None:
    scene.pool.reload()
    scene.let_pass()


def ended(scene: Scene) -> list[bool]:
    heard: list[bool] = []
    scene.pool.reload_ended = lambda: heard.append(True)
    return heard


def test_one_more_is_forked_and_the_old_serve_until_it_has_said_hello(scene: Scene) -> None:
    scene.full()
    reload(scene)
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE, Stage.STARTING]


def test_the_new_replace_the_old_one_for_one(scene: Scene) -> None:
    scene.full()
    heard = ended(scene)
    reload(scene)
    say(scene.made[3], NEW)
    scene.let_pass()
    # The old spare goes, and the new worker takes the place of an old one.
    assert scene.stages() == [Stage.ENDING, Stage.IDLE, Stage.ENDING, Stage.IDLE, Stage.STARTING]
    assert heard == [True]
    assert scene.pool.offer_changed.is_set()
    assert set(scene.pool.catalogue) == {"echo", "new"}
    say(scene.made[4], NEW)
    scene.let_pass()
    assert scene.stages()[1:] == [Stage.ENDING, Stage.ENDING, Stage.IDLE, Stage.IDLE, Stage.STARTING]
    say(scene.made[5], NEW)
    scene.let_pass()
    assert scene.stages()[3:] == [Stage.IDLE, Stage.IDLE, Stage.SPARE]


def test_the_busy_end_their_job_and_go_when_another_is_ready(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = scene.made[1].stage = Stage.BUSY
    reload(scene)
    say(scene.made[3], NEW)
    scene.let_pass()
    assert scene.stages() == [Stage.BUSY, Stage.BUSY, Stage.ENDING, Stage.SPARE]
    report(scene.made[1], 5)
    scene.let_pass()
    assert scene.stages()[:4] == [Stage.BUSY, Stage.ENDING, Stage.ENDING, Stage.IDLE]
    report(scene.made[0], 6)
    scene.let_pass()
    # None is ready yet: better old code than a worker less.
    assert scene.stages()[0] is Stage.IDLE
    assert scene.killer.told == []


def test_an_old_worker_that_cannot_run_a_new_type_makes_room_at_once(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = scene.made[1].stage = Stage.BUSY
    reload(scene)
    say(scene.made[3], NEW)
    scene.let_pass()
    report(scene.made[0], 5)
    report(scene.made[1], 6, Outcome.UNHANDLED)
    scene.let_pass()
    assert scene.stages()[:2] == [Stage.ENDING, Stage.ENDING]
    assert scene.pool.is_behind(scene.made[1], "new")
    assert not scene.pool.is_behind(scene.made[1], "unknown")
    assert not scene.pool.is_behind(scene.made[3], "new")


def test_code_that_does_not_load_replaces_nothing(scene: Scene) -> None:
    scene.full()
    heard = ended(scene)
    reload(scene)
    say(scene.made[3], LoadFailure("module x does not import", "Traceback: …"))
    scene.let_pass()
    scene.die(scene.made[3])
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE, Stage.ENDING]
    assert scene.pool.releases.stale.endswith("the old code goes on: module x does not import")
    assert heard == [True]
    assert set(scene.pool.catalogue) == {"echo"}
    assert scene.pool.deaths.count == 0


def test_asked_again_it_starts_over(scene: Scene) -> None:
    scene.full()
    reload(scene)
    reload(scene)
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE, Stage.ENDING, Stage.STARTING]
    say(scene.made[3], HELLO)
    scene.let_pass()
    assert scene.pool.releases.on_trial
    say(scene.made[4], NEW)
    scene.let_pass()
    assert not scene.pool.releases.on_trial
    assert scene.made[4].stage is Stage.IDLE


def test_what_is_unchanged_is_loaded_anew_too_for_imports_may_have_changed(scene: Scene) -> None:
    scene.full()
    reload(scene)
    say(scene.made[3], HELLO)
    scene.let_pass()
    assert scene.made[3].stage is Stage.IDLE
    assert scene.made[0].stage is Stage.ENDING


def test_asked_before_the_first_hello_it_reloads_after_it(scene: Scene) -> None:
    scene.pool.start()
    scene.pool.reload()
    scene.let_pass()
    assert len(scene.made) == 1
    say(scene.made[0], HELLO)
    scene.let_pass()
    assert scene.pool.releases.on_trial


def test_a_closed_pool_reloads_nothing(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.pool.close()
    reload(scene)
    assert len(scene.made) == 3


def test_a_reload_tries_at_once_what_failed_starts_hold_back(scene: Scene) -> None:
    scene.full()
    scene.pool._starts.wait_seconds = 30.0
    scene.die(scene.made[2])
    assert scene.pool._starts.held_back
    reload(scene)
    say(scene.made[3], NEW)
    scene.let_pass()
    # Not only the trial: those that follow it do not wait either.
    assert scene.stages()[3:] == [Stage.IDLE, Stage.STARTING]


def test_an_import_that_dies_is_named(scene: Scene) -> None:
    scene.full()
    reload(scene)
    say(scene.made[3], Importing("work.py"))
    scene.let_pass()
    scene.die(scene.made[3], signal.SIGSEGV)
    assert scene.pool.releases.stale.endswith("the old code goes on: SIGSEGV while it imported work.py")


@pytest.fixture
def hanging(scene: Scene) -> Scene:
    """A reload whose import hangs."""
    scene.full()
    reload(scene)
    say(scene.made[3], Importing("work.py"))
    scene.let_pass()
    return scene


def test_an_import_that_takes_long_at_a_reload_is_told(running: Running, stand_ins: StandIns) -> None:
    scene = Scene(running, stand_ins, slow_start_seconds=0.02)
    scene.full()
    reload(scene)
    say(scene.made[3], Importing("work.py"))
    running.until(lambda: scene.pool.releases.stale)
    assert scene.pool.releases.stale == f"{IS_SLOW}: work.py has been importing for 0 s"


def test_an_import_that_hangs_keeps_nobody_from_being_replaced_for_long(hanging: Scene) -> None:
    scene = hanging
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    assert len(scene.made) == 4
    scene.pool._start_lasts(scene.made[3])
    scene.let_pass()
    assert scene.stages()[1:] == [Stage.IDLE, Stage.IDLE, Stage.STARTING, Stage.STARTING]
    # The file has been mended: who finds that decides the reload.
    say(scene.made[4], NEW)
    scene.let_pass()
    assert set(scene.pool.catalogue) == {"echo", "new"}
    assert scene.pool.releases.stale == ""
    assert scene.made[4].stage is Stage.IDLE


def test_an_import_that_hangs_ends_with_its_time_and_the_old_code_goes_on(hanging: Scene) -> None:
    scene, heard = hanging, ended(hanging)
    scene.pool._start_hangs(scene.made[3], 60.0)
    assert heard == [True]
    assert scene.killer.told == [scene.made[3].pid]
    assert scene.pool.releases.stale.startswith(f"{DOES_NOT_LOAD}: work.py takes longer to import")
    assert not scene.pool.releases.on_trial
    scene.die(scene.made[3])
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE, Stage.ENDING]
    assert scene.pool.deaths.count == 0


def test_a_reload_that_is_given_up_takes_along_who_was_to_replace_the_dead(hanging: Scene) -> None:
    scene = hanging
    scene.made[0].stage = Stage.BUSY
    scene.die(scene.made[0])
    scene.pool._start_lasts(scene.made[3])
    scene.let_pass()
    say(scene.made[3], LoadFailure("no", None))
    scene.let_pass()
    assert scene.made[4].stage is Stage.ENDING
    # Another is forked at once, which finds what is on disk by now.
    assert scene.made[5].stage is Stage.STARTING


def test_the_end_of_a_reload_is_told_once_with_its_time(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    with capture_logs() as logs:
        reload(scene)
        say(scene.made[3], NEW)
        scene.let_pass()
        for worker in (scene.made[1], scene.made[2]):
            scene.die(worker)
        say(scene.made[4], NEW)
        scene.let_pass()
        assert not told_complete(logs)
        report(scene.made[0])
        scene.let_pass()
        scene.die(scene.made[0])
        scene.die(scene.made[4])
    [line] = told_complete(logs)
    assert line["log_level"] == "info"
    assert 0 <= line["seconds"] < 10


def told_complete(logs: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [line for line in logs if line["event"].startswith("the reload is complete")]
