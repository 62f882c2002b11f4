"""The kernel's OOM killer: which file counts it, and what a count proves."""

from pathlib import Path

import pytest

from jobworker.supervisor.oom import (
    LOOK_SECONDS,
    NO_EVIDENCE,
    Evidence,
    Finding,
    OomWatch,
    find_counter,
    read_oom_kills,
)

V2_MOUNT = "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


class Host:
    """A tree of files that looks like a host's /proc and cgroups."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = root / "proc" / "self"
        self.process.mkdir(parents=True)

    def describe(self, cgroups: str, *mounts: str) -> None:
        (self.process / "cgroup").write_text(cgroups)
        (self.process / "mountinfo").write_text("".join(f"{mount}\n" for mount in mounts))

    def count(self, path: str, kills: int) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"low 0\noom 7\noom_kill {kills}\noom_group_kill 9\n")
        return file

    def find(self) -> Path | None:
        return find_counter(self.process, self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_version_2_has_one_tree(host: Host) -> None:
    host.describe("0::/system.slice/jobs.service\n", V2_MOUNT)
    file = host.count("sys/fs/cgroup/system.slice/jobs.service/memory.events", 3)
    assert host.find() == file
    assert read_oom_kills(file) == 3


def test_version_1_has_a_tree_for_memory(host: Host) -> None:
    host.describe("5:devices:/\n4:cpu,memory:/docker/abc\n0::/\n", V1_MOUNT.replace("rw,memory", "rw,cpu,memory"))
    file = host.count("sys/fs/cgroup/memory/docker/abc/memory.oom_control", 3)
    assert host.find() == file


def test_with_both_mounted_the_controller_decides(host: Host) -> None:
    unified = V2_MOUNT.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
    host.describe("4:memory:/jobs\n0::/jobs\n", unified, V1_MOUNT)
    file = host.count("sys/fs/cgroup/memory/jobs/memory.oom_control", 1)
    (host.root / "sys/fs/cgroup/unified/jobs").mkdir(parents=True)
    assert host.find() == file


def test_a_container_that_is_mounted_its_own_part_only_finds_it(host: Host) -> None:
    host.describe("4:memory:/docker/abc\n", V1_MOUNT.replace(" / /sys", " /docker/abc /sys"))
    assert host.find() is None
    file = host.count("sys/fs/cgroup/memory/memory.oom_control", 0)
    assert host.find() == file


def test_what_is_mounted_of_another_part_tells_nothing_of_us(host: Host) -> None:
    host.describe("0::/other\n", V2_MOUNT.replace(" / /sys", " /jobs /sys"))
    host.count("sys/fs/cgroup/memory.events", 0)
    host.count("sys/fs/cgroup/other/memory.events", 0)
    assert host.find() is None


@pytest.mark.parametrize("content", [None, "", "oom_kill many\n", "oom_kill_disable 0\nunder_oom 0\n"])
def test_a_file_without_the_count_is_none(host: Host, content: str | None) -> None:
    host.describe("0::/\n", V2_MOUNT)
    if content is not None:
        host.count("sys/fs/cgroup/memory.events", 0).write_text(content)
    assert host.find() is None


def test_without_proc_there_is_none(tmp_path: Path) -> None:
    assert find_counter(tmp_path, tmp_path) is None


class Scene:
    """A watch on a counter, with a clock of the test's."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.now = 0.0
        self.file = self.count(5)
        self.watch = OomWatch(self.file, clock=lambda: self.now)

    def count(self, kills: int) -> Path:
        return self.host.count("sys/fs/cgroup/memory.events", kills)

    def judge(self, deaths: int = 1) -> list[Evidence]:
        for _ in range(deaths):
            self.watch.shot()
        return [self.watch.judge() for _ in range(deaths)]


@pytest.fixture
def scene(host: Host) -> Scene:
    return Scene(host)


def test_one_more_kill_and_one_death_is_an_oom_kill(scene: Scene) -> None:
    scene.count(6)
    assert scene.judge() == [Evidence(Finding.OOM_KILL, 1, 1)]
    assert scene.judge() == [Evidence(Finding.NONE)]


def test_no_more_kills_is_none(scene: Scene) -> None:
    assert scene.judge() == [Evidence(Finding.NONE)]


def test_as_many_kills_as_deaths_are_all_of_them(scene: Scene) -> None:
    scene.count(7)
    assert [evidence.finding for evidence in scene.judge(2)] == [Finding.OOM_KILL, Finding.OOM_KILL]
    assert scene.judge() == [Evidence(Finding.NONE)]


def test_fewer_kills_than_deaths_prove_nothing_of_any(scene: Scene) -> None:
    scene.count(6)
    assert [evidence.finding for evidence in scene.judge(3)] == [Finding.AMBIGUOUS] * 3
    scene.count(7)
    assert scene.judge() == [Evidence(Finding.OOM_KILL, 1, 1)]


def test_a_counter_that_goes_away_is_unreadable_from_then_on(scene: Scene) -> None:
    scene.file.unlink()
    assert scene.judge() == [NO_EVIDENCE]
    scene.count(6)
    assert scene.judge() == [NO_EVIDENCE]


def test_without_a_counter_nothing_is_known() -> None:
    watch = OomWatch(None)
    watch.look()
    watch.shot()
    assert watch.judge() == NO_EVIDENCE


def test_a_kill_long_ago_of_what_was_no_worker_proves_nothing(scene: Scene) -> None:
    scene.count(6)
    for _ in range(2):
        scene.now += LOOK_SECONDS
        scene.watch.look()
    assert scene.judge() == [Evidence(Finding.NONE)]


def test_a_kill_since_the_look_before_the_last_counts_its_death_may_take_a_while(scene: Scene) -> None:
    scene.now += LOOK_SECONDS
    scene.watch.look()
    scene.count(6)
    scene.now += LOOK_SECONDS
    scene.watch.look()
    assert scene.judge() == [Evidence(Finding.OOM_KILL, 1, 1)]


def test_a_look_too_soon_or_while_a_death_is_judged_leaves_nothing_behind(scene: Scene) -> None:
    scene.count(6)
    for _ in range(3):
        scene.now += LOOK_SECONDS / 4
        scene.watch.look()
    scene.watch.shot()
    for _ in range(3):
        scene.now += LOOK_SECONDS
        scene.watch.look()
    assert scene.watch.judge() == Evidence(Finding.OOM_KILL, 1, 1)
