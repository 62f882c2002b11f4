"""The memory limits of running attempts."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from jobworker.supervisor.memory import PSS_SHARE, SAMPLE_SECONDS, MemoryWatch, Sample, take_sample
from jobworker.supervisor.procfs import read_pss

MIB = 1024 * 1024


class Scene:
    """A watch over a host of the test's: worker 10 has the child 11, and that has 12; worker 20 is alone."""

    def __init__(self) -> None:
        self.rss = {1: 900 * MIB, 10: 50 * MIB, 11: 30 * MIB, 12: 20 * MIB, 20: 60 * MIB}
        self.pss: dict[int, int | None] = dict(self.rss)
        self.exceeded: list[tuple[int, int]] = []
        self.samples = 0
        self.pss_reads: list[int] = []
        self.pss_seconds = 0.0
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.watch = MemoryWatch(self, self._exceed, sample=self._sample, pss=self._pss, clock=lambda: self.now)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.timers.append((delay, callback))

    def tick(self) -> None:
        ((delay, callback),) = self.timers
        self.timers.clear()
        self.now += delay
        callback()

    def _exceed(self, worker: int, used_bytes: int) -> None:
        self.exceeded.append((worker, used_bytes // MIB))

    def _sample(self) -> Sample:
        self.samples += 1
        return Sample({0: [1], 1: [10, 20], 10: [11], 11: [12]}, dict(self.rss))

    def _pss(self, pid: int) -> int | None:
        self.pss_reads.append(pid)
        self.now += self.pss_seconds
        return self.pss[pid]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_whole_tree_counts_and_nothing_beside_it(scene: Scene) -> None:
    scene.watch.watch(10, 99)
    scene.watch.watch(20, 99)
    scene.tick()
    assert scene.exceeded == [(10, 100)]


def test_as_much_as_is_allowed_is_allowed(scene: Scene) -> None:
    scene.watch.watch(10, 100)
    scene.tick()
    assert scene.exceeded == []


def test_one_sample_serves_all_and_comes_twice_a_second(scene: Scene) -> None:
    scene.watch.watch(10, 500)
    scene.watch.watch(20, 500)
    assert [delay for delay, _ in scene.timers] == [SAMPLE_SECONDS] == [0.5]
    scene.tick()
    assert scene.samples == 1


def test_nothing_is_read_while_no_attempt_has_a_limit(scene: Scene) -> None:
    assert scene.timers == []
    scene.watch.watch(10, 500)
    scene.watch.forget(10)
    scene.tick()
    assert (scene.samples, scene.timers) == (0, [])
    scene.watch.watch(10, 500)
    scene.tick()
    assert scene.samples == 1


def test_an_attempt_that_has_ended_is_watched_no_longer(scene: Scene) -> None:
    scene.watch.watch(10, 1)
    scene.watch.watch(20, 500)
    scene.watch.forget(10)
    scene.watch.forget(10)
    scene.tick()
    assert scene.exceeded == []


def test_one_that_ended_by_what_was_told_of_another_is_not_told_of(scene: Scene) -> None:
    scene.watch.watch(10, 1)
    scene.watch.watch(20, 1)
    scene.watch._exceeded = lambda worker, _: (scene.exceeded.append((worker, 0)), scene.watch.forget(20))[0]  # type: ignore[func-returns-value]
    scene.tick()
    assert scene.exceeded == [(10, 0)]


def test_pages_that_forks_share_count_once(scene: Scene) -> None:
    scene.pss = {10: 20 * MIB, 11: 15 * MIB, 12: None}
    scene.watch.watch(10, 60)
    scene.tick()
    assert scene.exceeded == []
    scene.watch.watch(10, 54)
    scene.tick()
    # Whose share nobody may know counts whole.
    assert scene.exceeded == [(10, 55)]


def test_a_worker_alone_shares_with_nobody_of_its_job(scene: Scene) -> None:
    scene.watch.watch(20, 59)
    scene.tick()
    assert scene.pss_reads == []
    assert scene.exceeded == [(20, 60)]


def test_reading_shares_takes_a_part_of_the_time_only(scene: Scene) -> None:
    scene.pss = dict.fromkeys(scene.rss, 0)
    scene.pss_seconds = 0.1
    scene.watch.watch(10, 60)
    scene.tick()
    assert scene.pss_reads == [10, 11, 12]
    until = scene.now - 0.3 + 0.3 / PSS_SHARE
    while scene.now + SAMPLE_SECONDS < until:
        scene.tick()
        assert len(scene.pss_reads) == 3
    scene.tick()
    assert len(scene.pss_reads) == 6


def test_a_sample_of_this_host_has_us_and_what_we_started() -> None:
    hold = "import sys; held = b'x' * (64 << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        sample = take_sample()
        tree = sample.tree(os.getpid())
        assert tree[0] == os.getpid()
        assert child.pid in tree
        assert 64 * MIB < sample.rss_of([child.pid]) < 128 * MIB
        assert 64 * MIB < (read_pss(child.pid) or 0) <= sample.rss_of([child.pid]) + MIB
        assert sample.rss_of(tree) > sample.rss_of([child.pid])
    assert read_pss(child.pid) is None
