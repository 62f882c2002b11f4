"""A host with a supervisor that is the real one, down to its workers' mailboxes and its connections."""

import asyncio
import contextvars
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any, Final, cast
from unittest.mock import patch

from jobworker.store.roster import Roster
from jobworker.store.settings import JobSettings, RedisSettings, Settings, SupervisorSettings
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.errors import SupervisorError
from jobworker.supervisor.notify import Notifier
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.supervisor import Supervisor, _first
from tests.simulation.network import Network
from tests.simulation.processes import ProcessTable, Run
from tests.simulation.story import Story
from tests.simulation.virtual_time import HERE, Host, SimulatedLoop

WORKERS: Final = 2
LEASE_SECONDS: Final = 3.0
GRACE_SECONDS: Final = 2.0
#: As a service manager waits.
RESTART_SECONDS: Final = 0.5


class Lock:
    """Plays the lock of a name: its proofs are the ids of those that died with it."""

    def __init__(self, number: int, proofs: list[str]) -> None:
        self.id = f"lock-{number}"
        self.proofs = proofs

    def registered(self) -> None:
        self.proofs = []


class SimulatedSupervisor(Supervisor):
    """The real one, with other workers and another way to Redis."""

    def __init__(self, settings: Settings, lock: Lock, loop: SimulatedLoop, table: ProcessTable) -> None:
        self._table: Any = table
        notifier = Notifier.from_environment({})
        super().__init__(settings, cast("Any", lock), notifier, cast("Any", loop))
        notifier.close()
        self._roster: Any = self
        self._beacon: Any = self

    def _make_pool(self) -> Pool:
        # First thing of all: whoever kills is handed on from here.
        self._killer = self._table
        return Pool(WORKERS, 1, self._table.fork, self._table, self._loop)

    def write(self, _clock: object) -> Roster:
        """Play the roster."""
        return Roster()

    def registered(self) -> None:
        """Play the beacon, as the next does."""

    def draining(self) -> None:
        """Tell nobody."""

    async def run(self) -> int:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            desk = Desk(
                self._pool, self._killer, self._loop, self._settings.jobs, self._output, self._breaker, self._spawn
            )
            exit_code = await self._serve(desk)
            await self._close_pool()
        return exit_code

    def drain(self) -> None:
        """As SIGTERM does."""
        self._stop()

    def forget_start(self) -> None:
        self._pool.first_hello.cancel()


class Machine:
    """Owns a host's lives, one after the other.

    Told:   start, kill, stop, go on, drain (by the trouble).
    """

    def __init__(self, name: str, loop: SimulatedLoop, network: Network, random: Random, story: Story) -> None:
        self.name = name
        self.runs: list[Run] = []
        #: What must not be why one of its supervisors has ended.
        self.failures: list[str] = []
        self._loop = loop
        self._network = network
        self._random = random
        self._story = story
        #: Then nothing is said about how late anything may be.
        self.was_stopped = False
        self._lives = 0
        self._proofs: list[str] = []
        self.host: Host
        self._table: ProcessTable
        self._task: asyncio.Task[None]
        self._supervisor: SimulatedSupervisor

    @property
    def lives(self) -> bool:
        return self._lives > 0 and not self.host.dead and not self._task.done()

    def start(self) -> None:
        """Start a supervisor; one that was killed before is proven dead by the lock."""
        self._lives += 1
        self.host = Host(self.name, self._random.randrange(10**15))
        self._table = ProcessTable(self.host, self._loop, self._random, self._story, self.runs)
        self.host.table = self._table
        lock = Lock(self._lives + 1000 * sum(self.name.encode()), self._proofs)
        self._proofs = [*self._proofs, lock.id]
        self._story.tell(self.name, "starts")
        token = HERE.set(self.host)
        try:
            self._supervisor = SimulatedSupervisor(_settings(self.name), lock, self._loop, self._table)
            self._task = self._loop.create_task(self._live())
        finally:
            HERE.reset(token)

    def restart(self) -> None:
        """Start it unless somebody has: a second one would be kept from the name by the lock."""
        if not self.lives:
            self.start()

    async def _live(self) -> None:
        table = self._table
        try:
            exit_code = await self._supervisor.run()
        except* SupervisorError as group:
            # Of the watchdog's, for example: whoever supervises it starts it again.
            why = str(_first(group))
            self._story.tell(self.name, f"ends: {why}")
            if "taken over" in why:
                self.failures.append(f"{self.name}: {why}, but there is no other process of this name")
            self._loop.call_later(RESTART_SECONDS, self.restart, context=contextvars.Context())
        else:
            self._story.tell(self.name, f"ends with {exit_code}")
        finally:
            # Its workers follow it.
            table.kill_all()

    def kill(self) -> None:
        """As SIGKILL does: its workers follow it."""
        self._story.tell(self.name, "is killed")
        self._loop.resume(self.host)
        self.host.dead = True
        # Nobody asks any more how its first worker has started.
        self._supervisor.forget_start()
        self._table.kill_all()
        self._task.cancel()

    def stop(self) -> None:
        """As SIGSTOP does; its workers go on."""
        self._story.tell(self.name, "is stopped")
        self.was_stopped = True
        self.host.stopped = True

    def go_on(self) -> None:
        self._story.tell(self.name, "goes on")
        self._loop.resume(self.host)

    def drain(self) -> None:
        self._story.tell(self.name, "is told to drain")
        self._supervisor.drain()

    def shoot_worker(self) -> None:
        """As `kill -9` of a worker does."""
        if living := [worker for worker in self._table.workers.values() if worker.lives]:
            worker = self._random.choice(living)
            self._story.tell(self.name, f"worker {worker.pid} is shot")
            worker.die(9, "shot")

    def raise_failure(self) -> None:
        """Raise what has ended a supervisor that nobody has killed."""
        if not self.host.dead and self._task.done():
            self._task.result()


def _settings(name: str) -> Settings:
    return Settings(
        redis=RedisSettings(url=f"redis://{name}"),
        # Its jitter is not drawn from the seed.
        jobs=JobSettings(backoff_base=0.1, backoff_max=0.5, backoff_jitter=False),
        supervisor=SupervisorSettings(
            name=name,
            workers=WORKERS,
            lease=LEASE_SECONDS,
            beat=0.6,
            poll=1.0,
            grace=GRACE_SECONDS,
            type_max_crashes=1000,
        ),
    )


@contextmanager
def simulated(network: Network) -> Iterator[None]:
    """Let supervisors talk to this network, and read the clocks of their hosts."""

    def here() -> Host:
        host = HERE.get()
        assert host is not None
        return host

    def connect(url: str, **_: object) -> Any:
        return network.caller(url.removeprefix("redis://"))

    async def answers_ping(_url: str, **_: object) -> bool:
        return here().name not in network.cut

    def boottime_ns() -> int:
        clock_ns: int = here().table.boottime_ns()
        return clock_ns

    def worker(pid: int) -> Any:
        return here().table.workers[pid]

    supervisor = "jobworker.supervisor"
    with ExitStack() as patches:
        for name, stand_in in {
            "supervisor.connect_wire": connect,
            "session.connect_wire": connect,
            "session.connect_shared_wire": connect,
            "session.connect_async": connect,
            "session.answers_ping": answers_ping,
            # Reading it from the package's metadata takes longer than a simulated second.
            "supervisor.version": lambda _: "1",
            "lease.boottime_ns": boottime_ns,
            "desk.freeze": lambda pid: worker(pid).stop(),
            "desk.thaw": lambda pid: worker(pid).go_on(),
            "pool.peek_child": lambda: None,
        }.items():
            patches.enter_context(patch(f"{supervisor}.{name}", stand_in))
        yield
