"""The limits of this host that a supervisor would meet."""

import os
import platform
import resource
from pathlib import Path

from msgspec import Struct

from jobworker.store.settings import SupervisorSettings
from jobworker.store.sizing import process_count


class HostFacts(Struct, frozen=True):
    """What this host allows. None: no limit, or none that can be read."""

    system: str
    release: str
    has_pidfds: bool
    #: The hard limits: a supervisor raises the one of open files to it.
    open_files: int | None
    processes: int | None
    pid_max: int | None
    #: Processes that the cgroup still allows.
    cgroup_pids_left: int | None
    cgroup_memory_bytes: int | None
    #: How many worker processes a supervisor with these settings has.
    workers: int


def read_host(
    settings: SupervisorSettings, *, proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")
) -> HostFacts:
    """Return what this host allows."""
    pids, used = _first(cgroup, "pids.max", "pids/pids.max"), _first(cgroup, "pids.current", "pids/pids.current")
    return HostFacts(
        system=platform.system(),
        release=platform.release(),
        has_pidfds=_has_pidfds(),
        open_files=_limit(resource.RLIMIT_NOFILE),
        processes=_limit(resource.RLIMIT_NPROC),
        pid_max=_number(proc / "sys/kernel/pid_max"),
        cgroup_pids_left=None if pids is None else max(0, pids - (used or 0)),
        cgroup_memory_bytes=_first(cgroup, "memory.max", "memory/memory.limit_in_bytes"),
        workers=process_count(settings.workers, cgroup) + settings.spares,
    )


def _has_pidfds() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _limit(kind: int) -> int | None:
    _, hard = resource.getrlimit(kind)
    return None if hard == resource.RLIM_INFINITY else hard


def _first(cgroup: Path, *names: str) -> int | None:
    """Return the number in the first of these files that there is: version 2 of cgroups, then version 1."""
    return next((_number(cgroup / name) for name in names if (cgroup / name).exists()), None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        # Most of them say `max` when there is no limit.
        return None
