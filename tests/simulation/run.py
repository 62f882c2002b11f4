"""One run: some supervisors, some clients, trouble, and peace at the end, until every job has ended."""

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from random import Random
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import redis
import structlog

from jobworker.store.audit import Audit
from jobworker.store.errors import WrongState
from jobworker.store.flaws import Flaw
from jobworker.store.job import JobRecord, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.states import ENDED
from tests.simulation.machine import LEASE_SECONDS, Machine, simulated
from tests.simulation.network import Network, Server
from tests.simulation.processes import ONLY, WORK, Part, Run
from tests.simulation.story import Story
from tests.simulation.trouble import TROUBLE_SECONDS, Trouble
from tests.simulation.virtual_time import HERE, SimulatedLoop

KEYS: Final = Keys()
#: After the trouble every job has ended by then: leases end, backoffs pass, what hangs is killed.
PEACE_SECONDS: Final = 60.0
#: Of some jobs longer than a lease: who is cut off meanwhile still runs them when another may.
TIMEOUT_SECONDS: Final = (0.5, 6.0)


class Outcome(msgspec.Struct):
    """What a run has come to."""

    seed: int
    story: Story
    runs: list[Run]
    records: dict[str, JobRecord]
    flaws: list[Flaw]
    #: What no callback may raise.
    failures: list[str]
    #: Of these nobody can say how late they are.
    stopped_hosts: set[str]
    #: How many jobs were taken from supervisors whose lease had ended.
    reaped: int


class Simulation:
    """Owns a run."""

    def __init__(self, seed: int, server: Server) -> None:
        self._random = random = Random(seed)
        self._seed = seed
        self._server = server
        self._loop = SimulatedLoop()
        self._loop.set_exception_handler(self._note_failure)
        server.begin(self._loop)
        self._story = Story(self._loop.time)
        self._network = Network(server, self._loop, random, self._story)
        names = ("alpha", "beta", "gamma")[: random.choice((1, 2, 2, 2, 3))]
        self._machines = [Machine(name, self._loop, self._network, random, self._story) for name in names]
        self._store = JobStore(cast("redis.Redis", server), KEYS, Retention())
        self._jobs: list[str] = []
        #: Those of which it is not known that they have ended.
        self._open: list[str] = []
        self._failures: list[str] = []

    def run(self) -> Outcome:
        """Play it to the end."""
        with simulated(self._network), _told(self._story):
            try:
                self._loop.run_until_complete(self._play())
            finally:
                self._end_tasks()
                self._loop.close()
        return Outcome(
            self._seed,
            self._story,
            runs=[run for machine in self._machines for run in machine.runs],
            records={job_id: self._store.get(job_id) for job_id in self._jobs},
            flaws=list(Audit(self._server.client, KEYS, Retention(), most=None).run().flaws),
            failures=[*self._failures, *(why for machine in self._machines for why in machine.failures)],
            stopped_hosts={machine.name for machine in self._machines if machine.was_stopped},
            reaped=self._network.reaped,
        )

    async def _play(self) -> None:
        for machine in self._machines:
            machine.start()
        for _ in range(self._random.randint(4, 14)):
            self._loop.call_later(self._random.uniform(0.0, 0.8 * TROUBLE_SECONDS), self._submit)
        trouble = Trouble(self._machines, self._network, self._loop, self._random, self._story)
        await asyncio.sleep(TROUBLE_SECONDS)
        trouble.end()
        self._open = list(self._jobs)
        ends_at = self._loop.time() + PEACE_SECONDS
        while not self._all_ended() and self._loop.time() < ends_at:
            await asyncio.sleep(0.5)
            for machine in self._machines:
                machine.raise_failure()
                # It may have drained into the peace.
                machine.restart()
        # Who was told late that its job is no longer its own finds out by its next beat.
        await asyncio.sleep(LEASE_SECONDS)

    def _all_ended(self) -> bool:
        self._open = [job_id for job_id in self._open if self._store.get(job_id).status not in ENDED]
        return not self._open

    def _submit(self) -> None:
        random = self._random
        job_id = str(UUID(int=random.getrandbits(128), version=4))
        parts = [self._part() for _ in range(3)]
        job = NewJob(
            job_id,
            random.choice((WORK, WORK, ONLY)),
            payload=msgspec.json.encode(parts),
            priority=random.randint(1, 10),
            delay_ms=random.choice((0, 0, 0, random.randint(1, 3000))),
            timeout_ms=round(1000 * random.uniform(*TIMEOUT_SECONDS)),
            max_attempts=random.randint(1, 3),
            max_crashes=random.randint(1, 4),
        )
        self._store.enqueue([job])
        self._jobs.append(job_id)
        plan = ", ".join(f"{part.does} {part.seconds:.2f}" for part in parts)
        self._story.tell("client", f"{job_id} is accepted: {job.type}: {plan}")
        self._network.look_for_hints()
        if random.random() < 0.15:
            self._loop.call_later(random.uniform(0.0, 2.0), self._cancel, job_id)

    def _part(self) -> Part:
        does = self._random.choices(("ok", "raise", "crash", "hang"), (6, 2, 1, 1))[0]
        return Part(
            does, self._random.choice((0.0, 0.01, self._random.uniform(0.0, 1.5), self._random.uniform(2.0, 5.0)))
        )

    def _cancel(self, job_id: str) -> None:
        word: str
        try:
            word = self._store.cancel(job_id)
        except WrongState as error:
            word = str(error)
        self._story.tell("client", f"{job_id} cancel: {word}")
        self._network.look_for_hints()

    def _note_failure(self, _loop: object, context: dict[str, Any]) -> None:
        self._failures.append(f"{context.get('message')}: {context.get('exception')!r} {context.get('task')}")

    def _end_tasks(self) -> None:
        for machine in self._machines:
            if machine.lives:
                machine.kill()
        while left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(left))


@contextmanager
def _told(story: Story) -> Iterator[None]:
    def tell(_logger: object, level: str, event: MutableMapping[str, Any]) -> Any:
        host = HERE.get()
        if host is not None and not host.dead:
            words = " ".join(f"{key}={value}" for key, value in event.items() if key not in ("event", "exc_info"))
            story.tell(host.name, f"{level}: {event['event']} {words}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[tell], wrapper_class=structlog.make_filtering_bound_logger(10))
    try:
        yield
    finally:
        structlog.configure(**before)
