"""How many workers `auto` means: as many as there are CPUs that we may use."""

import math
import os
from pathlib import Path
from typing import Literal

import psutil


def worker_count(setting: int | Literal["auto"], cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of workers: `auto` is the CPU affinity, or the cgroup's quota if that is less."""
    if setting != "auto":
        return setting
    cpus = len(psutil.Process(os.getpid()).cpu_affinity() or [0])
    quota = cpu_quota(cgroup)
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


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
