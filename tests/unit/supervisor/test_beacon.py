"""The beacon: what it says, how often, and that nothing ends because nobody hears it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobworker.supervisor.beacon import Beacon
from jobworker.supervisor.beatfile import Beat, BeatFile
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.notify import Notifier
from tests.support.service_manager import ServiceManager
from tests.unit.supervisor.running import Running


class Scene:
    def __init__(self, running: Running, folder: Path, **environ: str) -> None:
        self.until, self.loop = running.until, running.loop
        self.folder = folder / "state"
        self.folder.mkdir()
        self.file = BeatFile(self.folder / "one.beat")
        self.manager = ServiceManager.at(folder)
        self.trouble = ""
        self.notifier = Notifier.from_environment({"NOTIFY_SOCKET": self.manager.address, **environ})
        self.beacon = Beacon(self.file, self.notifier, lambda: self.trouble)

    def beat(self) -> Beat:
        beat = self.file.read()
        assert beat is not None
        return beat

    def close(self) -> None:
        self.manager.close()
        self.notifier.close()


@pytest.fixture
def scene(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("jobworker.supervisor.beacon.BEAT_SECONDS", 0.01)
    scene = Scene(running, tmp_path)
    yield scene
    scene.close()


def test_it_beats_from_the_start(scene: Scene) -> None:
    before_ns = boottime_ns()
    running = scene.loop.create_task(scene.beacon.run())
    scene.until(scene.file.read)
    running.cancel()
    beat = scene.beat()
    assert (beat.pid, beat.redis, beat.status) == (os.getpid(), True, "starting: not registered in Redis yet")
    assert before_ns <= beat.at_ns <= boottime_ns()
    assert not scene.manager.has_heard("READY=1")


def test_it_goes_on_beating(scene: Scene) -> None:
    running = scene.loop.create_task(scene.beacon.run())
    scene.until(scene.file.read)
    first_ns = scene.beat().at_ns
    scene.until(lambda: scene.beat().at_ns > first_ns)
    running.cancel()


def test_registered_it_is_ready(scene: Scene) -> None:
    scene.beacon.registered()
    assert scene.beat().status == "serving"
    assert scene.manager.has_heard("READY=1")
    assert scene.manager.heard == [["READY=1", "STATUS=serving"]]


def test_that_redis_is_away_is_said_and_that_it_is_back(scene: Scene) -> None:
    scene.beacon.registered()
    running = scene.loop.create_task(scene.beacon.run())
    scene.trouble = "Redis is away"
    scene.until(lambda: not scene.beat().redis)
    assert scene.beat().status == "serving; workers go on, results wait: Redis is away"
    scene.until(lambda: scene.manager.has_heard("STATUS=serving; workers go on, results wait: Redis is away"))
    scene.trouble = ""
    scene.until(lambda: scene.manager.count("STATUS=serving") == 2)
    running.cancel()


def test_draining_it_is_about_to_stop_and_stays_so(scene: Scene) -> None:
    scene.beacon.draining()
    scene.beacon.registered()
    assert scene.beat().status == "draining"
    assert not scene.manager.has_heard("READY=1")
    assert scene.manager.heard == [["STOPPING=1", "STATUS=draining"]]


def test_the_same_is_not_told_twice(scene: Scene) -> None:
    scene.beacon.registered()
    scene.beacon.registered()
    assert scene.manager.count("READY=1") == 1
    assert not scene.manager.has_heard("WATCHDOG=1")


def test_what_was_not_heard_is_told_again(scene: Scene) -> None:
    while scene.notifier.tell("X=1"):
        pass
    scene.beacon.registered()
    assert not scene.manager.has_heard("READY=1")
    scene.beacon.registered()
    assert scene.manager.has_heard("READY=1")


def test_the_watchdog_is_fed_twice_in_its_time(running: Running, tmp_path: Path) -> None:
    scene = Scene(running, tmp_path, WATCHDOG_USEC="40000")
    started_ns = boottime_ns()
    task = scene.loop.create_task(scene.beacon.run())
    scene.until(lambda: scene.manager.count("WATCHDOG=1") == 4)
    task.cancel()
    assert boottime_ns() - started_ns >= 3 * 20_000_000
    scene.close()


def test_a_folder_that_vanished_is_one_warning_and_its_return_is_good_news(scene: Scene) -> None:
    shutil.rmtree(scene.folder)
    with capture_logs() as logs:
        scene.beacon.registered()
        scene.beacon.registered()
        scene.folder.mkdir()
        scene.beacon.registered()
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("warning", "the beat file cannot be written; healthchecks will fail, jobs go on"),
        ("info", "the beat file is written again"),
    ]
    assert "No such file or directory" in logs[0]["error"]
    assert scene.beat().status == "serving"


def test_a_full_disk_is_one_warning(scene: Scene) -> None:
    # Every write to it fails as on a full disk.
    (scene.folder / "one.beat.next").symlink_to("/dev/full")
    with capture_logs() as logs:
        scene.beacon.registered()
        scene.beacon.registered()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert "No space left on device" in logs[0]["error"]


def test_put_out_it_leaves_nothing(scene: Scene) -> None:
    scene.beacon.registered()
    scene.beacon.put_out()
    assert list(scene.folder.iterdir()) == []


def test_put_out_where_it_may_not_remove_is_a_warning(scene: Scene) -> None:
    scene.beacon.registered()
    (scene.folder / "one.beat").unlink()
    (scene.folder / "one.beat").mkdir()
    with capture_logs() as logs:
        scene.beacon.put_out()
    assert [line["event"] for line in logs] == ["the beat file cannot be removed"]
