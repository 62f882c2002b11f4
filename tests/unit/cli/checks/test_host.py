"""What the checks of this host say."""

from typing import Any

import msgspec
import pytest

from jobworker.cli.checks.host import CHECKS, kernel, memory, open_files, pidfds, pids, processes
from jobworker.cli.host import HostFacts

MIB = 1024**2
SOUND = HostFacts(
    system="Linux",
    release="6.1.0",
    has_pidfds=True,
    open_files=1024,
    processes=None,
    pid_max=32768,
    cgroup_pids_left=None,
    cgroup_memory_bytes=None,
    workers=3,
)


def having(**facts: Any) -> HostFacts:
    return msgspec.structs.replace(SOUND, **facts)


def test_a_sound_host_is_ok_at_every_point() -> None:
    findings = [check(SOUND) for check in CHECKS]
    assert {finding.level for finding in findings} == {"ok"}
    assert len({finding.check for finding in findings}) == len(CHECKS)


@pytest.mark.parametrize(("system", "release"), [("Linux", "5.3.18"), ("Darwin", "23.1.0")])
def test_a_kernel_that_runs_no_supervisor_is_a_warning(system: str, release: str) -> None:
    found = kernel(having(system=system, release=release))
    assert found.level == "warning"
    assert "needs Linux 5.4 or newer" in (found.advice or "")


def test_missing_pidfds_are_a_warning() -> None:
    assert pidfds(having(has_pidfds=False)).level == "warning"


def test_few_open_files_are_a_warning_that_grows_with_the_workers() -> None:
    assert open_files(having(open_files=256)).level == "ok"
    found = open_files(having(open_files=256, workers=33))
    assert (found.level, found.fact) == ("warning", "256, and 33 workers may need 328")


def test_few_processes_are_a_warning() -> None:
    assert processes(having(processes=8)).level == "warning"


def test_the_narrower_of_host_and_cgroup_counts() -> None:
    assert pids(having(cgroup_pids_left=5)).level == "warning"
    assert pids(having(pid_max=None)).fact == "no limit"


@pytest.mark.parametrize(
    ("limit", "level"), [(None, "ok"), (512 * MIB, "ok"), (100 * MIB, "warning"), (2**63 - 4096, "ok")]
)
def test_little_memory_is_a_warning(limit: int | None, level: str) -> None:
    assert memory(having(cgroup_memory_bytes=limit)).level == level
