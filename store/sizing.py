"""How many processes `auto` means in a setting: as many as there are CPUs that we may use."""

import math
import os
from pathlib import Path
from typing import Literal


def process_count(setting: int | Literal["auto"], cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of processes: `auto` is the CPU affinity, or the cgroup's quota if that is less."""
    if setting != "auto":
        return setting
    cpus, quota = len(usable_cpus()), cpu_quota(cgroup)
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


def usable_cpus() -> list[int]:
    """Return the numbers of the CPUs on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_quota(cgroup: Path) -> float | None:
    """Return the CPUs that the cgroup (version 2 or 1) allows; None: it sets no limit."""
    try:
        if (unified := cgroup / "cpu.max").exists():
            quota, period = unified.read_text().split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError):
        return None
