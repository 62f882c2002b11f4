"""Checks of this host: what a supervisor would meet here."""

from collections.abc import Callable
from typing import Final

from jobworker.cli.errors import Failed
from jobworker.cli.host import HostFacts
from jobworker.cli.linux import require_linux
from jobworker.store.finding import Finding, ok, warning

#: Descriptors of a supervisor: its own, and those of each worker (pidfd, mailboxes, board).
OWN_FILES: Final = 64
FILES_A_WORKER: Final = 8
#: What a job may start besides its worker.
PROCESSES_A_WORKER: Final = 4
#: Below it a worker has hardly room for its handlers' imports.
MEMORY_A_WORKER_BYTES: Final = 64 * 1024**2
#: Version 1 of cgroups says so when there is no limit.
NO_LIMIT_BYTES: Final = 2**62


def kernel(host: HostFacts) -> Finding:
    """Whether a supervisor can run on it at all."""
    fact = f"{host.system} {host.release}"
    try:
        require_linux("a supervisor", system=host.system, release=host.release)
    except Failed as error:
        return warning("kernel", fact, error.message)
    return ok("kernel", fact)


def pidfds(host: HostFacts) -> Finding:
    """Whether it can watch its workers."""
    if not host.has_pidfds:
        return warning("pidfd", "not available", "allow pidfd_open in the sandbox (seccomp) of supervisors")
    return ok("pidfd", "available")


def open_files(host: HostFacts) -> Finding:
    """Whether it may open enough files."""
    needed = OWN_FILES + FILES_A_WORKER * host.workers
    return _enough("open files", host.open_files, needed, host, "raise RLIMIT_NOFILE (LimitNOFILE, ulimits.nofile)")


def processes(host: HostFacts) -> Finding:
    """Whether the user may have enough processes."""
    needed = PROCESSES_A_WORKER * host.workers
    return _enough("processes", host.processes, needed, host, "raise RLIMIT_NPROC of the user")


def pids(host: HostFacts) -> Finding:
    """Whether host and cgroup have room for them."""
    needed = PROCESSES_A_WORKER * host.workers
    limits = [limit for limit in (host.pid_max, host.cgroup_pids_left) if limit is not None]
    advice = "raise pids.max of the cgroup (TasksMax, pids_limit) or kernel.pid_max"
    return _enough("pids", min(limits, default=None), needed, host, advice)


def memory(host: HostFacts) -> Finding:
    """Whether the cgroup's memory is enough for the workers."""
    limit = host.cgroup_memory_bytes
    if limit is None or limit >= NO_LIMIT_BYTES:
        return ok("host memory", "the cgroup sets no limit")
    fact = f"the cgroup allows {limit // 1024**2} MiB for {host.workers} workers, spares included"
    if limit < MEMORY_A_WORKER_BYTES * host.workers:
        return warning("host memory", fact, "raise it, or use fewer --workers: else the kernel ends jobs at random")
    return ok("host memory", fact)


def _enough(check: str, limit: int | None, needed: int, host: HostFacts, advice: str) -> Finding:
    if limit is None:
        return ok(check, "no limit")
    if limit < needed:
        return warning(check, f"{limit}, and {host.workers} workers may need {needed}", advice)
    return ok(check, f"{limit} allowed")


CHECKS: Final[tuple[Callable[[HostFacts], Finding], ...]] = (
    *(kernel, pidfds, open_files),
    *(processes, pids, memory),
)
