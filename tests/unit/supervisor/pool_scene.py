"""A pool on a stage: workers that are stand-ins, kills that are only told, a listener that remembers."""

import asyncio
import signal
from typing import Any

from jobworker.supervisor.messages import Report
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.receipts import Cpu
from jobworker.supervisor.tree import Killer
from tests.support.stand_ins import HELLO, StandIns, say, shoot
from tests.unit.supervisor.running import Running


class Killed(Killer):
    """Kills nobody by itself: says whom it was told to kill."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []

    def kill(self, root: int) -> None:
        self.told.append(root)


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.idle = 0
        self.reports: list[Report] = []
        self.deaths: list[tuple[int, int, bool]] = []
        self.orphans: list[tuple[int, Cpu]] = []
        self.progress: list[int] = []
        self.workers: list[int] = []

    def became_idle(self) -> None:
        self.idle += 1

    def reported(self, worker: WorkerProcess, report: Report) -> None:
        self.reports.append(report)

    def progressed(self, worker: WorkerProcess, token: int) -> None:
        self.progress.append(token)

    def forked(self, worker: WorkerProcess) -> None:
        self.workers.append(worker.pid)

    def orphan_died(self, session: int, cpu: Cpu) -> None:
        self.orphans.append((session, cpu))

    def died(self, worker: WorkerProcess, status: int, *, started: bool) -> None:
        self.deaths.append((worker.pid, status, started))


class Scene:
    """A pool of two workers and a spare."""

    def __init__(self, running: Running, stand_ins: StandIns, **options: Any) -> None:
        self.runner, self.loop = running
        self.stand_ins = stand_ins
        self.killer = Killed()
        self.pool = Pool(2, 1, stand_ins.fork, self.killer, self.loop, **options)
        self.told = self.pool.listener = Told()

    @property
    def made(self) -> list[WorkerProcess]:
        return self.stand_ins.made

    def stages(self) -> list[Stage]:
        return [worker.stage for worker in self.made]

    def let_pass(self, seconds: float = 0.0) -> None:
        """Run the loop until it has nothing more to read, or for some time of its clock."""
        self.runner.run(_turns(seconds))

    def start(self) -> None:
        self.pool.start()
        say(self.made[0], HELLO)
        self.let_pass()

    def full(self) -> None:
        """Have two idle workers and a warm spare."""
        self.start()
        for worker in self.made[1:]:
            say(worker, HELLO)
        self.let_pass()

    def die(self, worker: WorkerProcess, number: signal.Signals = signal.SIGKILL) -> None:
        shoot(worker, number)
        self.let_pass()


async def _turns(seconds: float) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    if seconds:
        await asyncio.sleep(seconds)
