"""What a supervisor and all that it has brought forth hold at an instant."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.server import Server
from jobworker.store.connection import connect
from jobworker.store.keys import Keys

#: By the name of the figure.
Sample = dict[str, float]


class Vitals:
    """Owns how a supervisor and what it has brought forth are looked at."""

    def __init__(self, on: Server, supervisor: psutil.Popen) -> None:
        self._on = on
        self._supervisor = supervisor
        self._client: Any = connect(on.url, timeout_seconds=2)

    def sample(self) -> Sample:
        """Return the figures, memory in MiB; end the soak when the supervisor has ended."""
        # Nobody else notices: until it is waited for, there is a process that takes signals.
        if (code := self._supervisor.poll()) is not None:
            sys.exit(f"the supervisor has ended, exit code {code}; its log on stderr says why")
        with self._supervisor.oneshot():
            return {
                "descriptors": self._supervisor.num_fds(),
                "threads": self._supervisor.num_threads(),
                "RSS": self._supervisor.memory_info().rss / 2**20,
                "children": len(self._supervisor.children()),
                "zombies": sum(map(_is_zombie, self._below())),
                "strays": len(self.outside()),
                "Redis keys": self._keys(),
                "Redis memory": self._client.info("memory")["used_memory"] / 2**20,
            }

    def outside(self) -> list[int]:
        """Return who works in the folder, as all that a job starts does, and is not below the supervisor."""
        # A look at all processes takes a while, in which some lose their parents: who is met once only was in between.
        return sorted(self._strangers() & self._strangers())

    def _strangers(self) -> set[int]:
        here = set(_working_in(self._on.folder)) - {self._supervisor.pid, self._on.process.pid}
        # Looked at after: who is new by then is not in `here`.
        return here - {process.pid for process in self._below()}

    def _below(self) -> list[psutil.Process]:
        return self._supervisor.children(recursive=True) if self._supervisor.is_running() else []

    def _keys(self) -> int:
        """Count the keys; those of jobs and of sums, each of which has its time to live, do not count."""
        keys = Keys()
        timed = tuple(f"{keys.base}{name}".encode() for name in ("job:", "stats_"))
        return sum(not key.startswith(timed) for key in self._client.scan_iter(count=1000))


def _working_in(folder: Path) -> Iterator[int]:
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdecimal() and Path(f"/proc/{name}/cwd").readlink() == folder:
                yield int(name)


def _is_zombie(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False
