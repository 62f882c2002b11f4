"""Whom the pool tells what becomes of its workers."""

from typing import Protocol

from jobworker.supervisor.messages import Report
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.receipts import Cpu


class PoolListener(Protocol):
    """The desk."""

    def forked(self, worker: WorkerProcess) -> None:
        """Hear that there is a new worker."""

    def became_idle(self) -> None:
        """Hear that a worker waits for a job."""

    def reported(self, worker: WorkerProcess, report: Report) -> None:
        """Hear a worker's report on its attempt."""

    def progressed(self, worker: WorkerProcess, token: int) -> None:
        """Hear that an attempt has a new progress."""

    def orphan_died(self, session: int, cpu: Cpu) -> None:
        """Hear that a process that a dead worker has left is dead: it may have left others.

        `session`: the pid of that worker, unless the process had left its session.
        """

    def died(self, worker: WorkerProcess, status: int, *, started: bool) -> None:
        """Hear that a worker is dead; `started`: it had read its last assignment and not reported on it."""
