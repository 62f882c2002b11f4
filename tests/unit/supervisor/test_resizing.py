"""The pool's size while it works: who comes, who goes, and who ends its job first."""

from jobworker.supervisor.process import Stage
from tests.support.stand_ins import HELLO, report, say
from tests.unit.supervisor.pool_scene import Scene


def test_more_workers_are_forked_and_the_spare_serves_at_once(scene: Scene) -> None:
    scene.full()
    scene.pool.resize(4)
    scene.let_pass()
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.IDLE, Stage.STARTING, Stage.STARTING]
    assert scene.pool.size == 4


def test_fewer_workers_are_left_as_idle_ones_go_and_spares_stay(scene: Scene) -> None:
    scene.full()
    scene.pool.resize(1)
    scene.let_pass()
    assert scene.stages() == [Stage.ENDING, Stage.IDLE, Stage.SPARE]
    assert scene.made[0]._theirs.receive() is None
    assert scene.killer.told == []


def test_a_busy_worker_that_is_too_many_ends_its_job_first(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = scene.made[1].stage = Stage.BUSY
    scene.pool.resize(1)
    scene.let_pass()
    assert scene.stages() == [Stage.BUSY, Stage.BUSY, Stage.SPARE]
    report(scene.made[1], 5)
    scene.let_pass()
    assert [one.token for one in scene.told.reports] == [5]
    assert scene.stages() == [Stage.BUSY, Stage.ENDING, Stage.SPARE]
    report(scene.made[0], 6)
    scene.let_pass()
    assert scene.stages() == [Stage.IDLE, Stage.ENDING, Stage.SPARE]
    assert len(scene.made) == 3


def test_too_many_busy_workers_are_seen_also_where_a_spare_is_missing(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = scene.made[1].stage = Stage.BUSY
    scene.killer._roots[0] = (0, 0)
    scene.die(scene.made[2])
    scene.pool.resize(1)
    report(scene.made[0])
    scene.let_pass()
    assert scene.stages()[:2] == [Stage.ENDING, Stage.BUSY]


def test_what_was_forked_for_a_size_that_is_taken_back_goes(scene: Scene) -> None:
    scene.full()
    scene.pool.resize(4)
    scene.let_pass()
    scene.pool.resize(3)
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.IDLE, Stage.STARTING, Stage.ENDING]
    say(scene.made[4], HELLO)
    scene.let_pass()
    assert scene.stages()[4] is Stage.ENDING


def test_the_same_size_changes_nothing(scene: Scene) -> None:
    scene.full()
    scene.pool.resize(2)
    scene.let_pass()
    assert scene.stages() == [Stage.IDLE, Stage.IDLE, Stage.SPARE]


def test_a_closed_pool_forks_nothing_for_a_new_size(scene: Scene) -> None:
    scene.full()
    scene.made[0].stage = Stage.BUSY
    scene.pool.close()
    scene.pool.resize(4)
    scene.let_pass()
    assert scene.stages() == [Stage.BUSY, Stage.ENDING, Stage.ENDING]
