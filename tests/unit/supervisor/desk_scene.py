"""A desk on a stage: two idle workers that are stand-ins, kills that are only told, settles that nobody takes."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from jobworker.store.claims import Claim, Settle
from jobworker.store.settings import JobSettings
from jobworker.store.states import Outcome
from jobworker.supervisor.breaker import Breaker
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.output import Output
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.tree import Killer
from tests.support.claims import a_claim
from tests.support.stand_ins import HELLO, StandIns, say
from tests.unit.supervisor.running import Running


class Quiet(Killer):
    """Kills nobody by itself and finds no orphans; says whom it was told to kill, and waits where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.burial = asyncio.Event()
        self.burial.set()

    def kill(self, root: int) -> None:
        self.told.append(root)

    async def end_orphans(self, ours: Any) -> None:
        await self.burial.wait()


class Scene:
    """A desk over two idle workers; `settled` is what Redis would be told."""

    def __init__(self, running: Running, stand_ins: StandIns) -> None:
        self.runner, self.loop = running
        self.stand_ins = stand_ins
        self.killer = Quiet()
        self.pool = Pool(2, 0, stand_ins.fork, self.killer, self.loop)
        self.output = Output(self.loop, None)
        self.breaker = Breaker(1, 60)
        jobs = JobSettings(timeout=300)
        self.desk = Desk(self.pool, self.killer, self.loop, jobs, self.output, self.breaker, self._spawn)
        self.settled: list[Settle] = []
        self.pokes = 0
        self.desk.settle = self.settled.append
        self.desk.poke = self._poke
        self.pool.start()
        say(stand_ins.made[0], HELLO)
        self.turn()
        say(stand_ins.made[1], HELLO)
        self.turn()
        self.first, self.second = stand_ins.made

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.burying = self.loop.create_task(coroutine)

    def _poke(self) -> None:
        self.pokes += 1

    def turn(self) -> None:
        self.runner.run(turns())

    def hand(self, worker: WorkerProcess, token: int = 100, **fields: Any) -> Claim:
        claim = a_claim(worker=worker.pid, token=token, **fields)
        self.desk.hand_out(claim)
        self.turn()
        return claim

    @property
    def outcomes(self) -> list[tuple[int, Outcome]]:
        return [(settle.token, settle.outcome) for settle in self.settled]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def staged(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    """Yield the scene, and let it end with nobody unburied."""
    scene = Scene(running, stand_ins)
    yield scene
    scene.killer.burial.set()
    scene.turn()
