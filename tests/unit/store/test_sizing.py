"""How many processes `auto` means."""

import os
from pathlib import Path

import pytest

from jobworker.store.sizing import cpu_quota, process_count, usable_cpus


def unified(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def legacy(folder: Path, quota: str, period: str = "100000") -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return folder


def test_a_number_is_that_number() -> None:
    assert process_count(17) == 17


def test_auto_is_the_cpus_we_may_run_on(tmp_path: Path) -> None:
    assert process_count("auto", tmp_path) == len(os.sched_getaffinity(0))


def test_a_quota_below_them_counts_rounded_up(tmp_path: Path) -> None:
    assert process_count("auto", unified(tmp_path, "20000 100000\n")) == 1
    assert cpu_quota(unified(tmp_path, "150000 100000\n")) == 1.5


def test_a_quota_above_them_does_not(tmp_path: Path) -> None:
    assert process_count("auto", unified(tmp_path, "99900000 100000\n")) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("text", ["max 100000\n", "", "nonsense\n", "1 2 3\n"])
def test_no_quota_and_none_that_can_be_read_is_no_limit(tmp_path: Path, text: str) -> None:
    assert cpu_quota(unified(tmp_path, text)) is None


def test_the_files_of_the_first_version_are_read(tmp_path: Path) -> None:
    assert cpu_quota(legacy(tmp_path, "250000")) == 2.5


def test_minus_one_is_no_limit_there(tmp_path: Path) -> None:
    assert cpu_quota(legacy(tmp_path, "-1")) is None


def test_a_host_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none") is None


def test_where_there_is_no_affinity_every_cpu_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cpus() == list(range(os.cpu_count() or 1))
