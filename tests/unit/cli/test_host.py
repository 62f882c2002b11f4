"""Reading the limits of a host."""

import platform
import resource
from pathlib import Path

from jobworker.cli.host import read_host
from jobworker.store.settings import SupervisorSettings

SETTINGS = SupervisorSettings(workers=3, spares=2)


def folder_with(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_this_host_is_read() -> None:
    found = read_host(SETTINGS)
    assert (found.system, found.release, found.workers) == (platform.system(), platform.release(), 5)
    assert found.has_pidfds
    assert found.pid_max
    assert found.pid_max >= 300
    assert found.open_files in (None, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def test_limits_of_the_second_version_of_cgroups(tmp_path: Path) -> None:
    files = {"pids_dot_max": "100\n", "pids_dot_current": "30\n", "memory_dot_max": "1048576\n"}
    found = read_host(SETTINGS, cgroup=folder_with(tmp_path, **files))
    assert (found.cgroup_pids_left, found.cgroup_memory_bytes) == (70, 1048576)


def test_limits_of_the_first_version_of_cgroups(tmp_path: Path) -> None:
    files = {
        "pids__pids_dot_max": "100\n",
        "pids__pids_dot_current": "130\n",
        "memory__memory_dot_limit_in_bytes": "1048576\n",
    }
    found = read_host(SETTINGS, cgroup=folder_with(tmp_path, **files))
    assert (found.cgroup_pids_left, found.cgroup_memory_bytes) == (0, 1048576)


def test_max_is_no_limit(tmp_path: Path) -> None:
    found = read_host(SETTINGS, cgroup=folder_with(tmp_path, pids_dot_max="max\n", memory_dot_max="max\n"))
    assert (found.cgroup_pids_left, found.cgroup_memory_bytes) == (None, None)


def test_what_cannot_be_read_is_no_limit(tmp_path: Path) -> None:
    found = read_host(SETTINGS, proc=tmp_path, cgroup=tmp_path)
    assert (found.pid_max, found.cgroup_pids_left, found.cgroup_memory_bytes) == (None, None, None)
