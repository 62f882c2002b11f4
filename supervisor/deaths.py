"""Workers that died unasked: how many, which place is held for it, and what is known of why."""

import structlog

from jobworker.supervisor.crew import Crew
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.slots import Held

log = structlog.get_logger("jobworker.deaths")


class Deaths:
    """Owns the count of deaths that nobody had asked for, and the holds whose reason is still looked for.

    Told:   a worker died unasked (by the pool), then why (by the desk, when what else died with it is reaped).
    Tells:  the slots.
    """

    def __init__(self, crew: Crew, loop: SupervisorLoop) -> None:
        #: How many died that nobody had asked to end.
        self.count = 0
        self._crew = crew
        self._loop = loop
        self._holds: dict[int, Held] = {}

    def note(self, worker: WorkerProcess, why: str) -> float | None:
        """Count one; return for how many seconds its place is held empty. `why` is what is known at once."""
        self.count += 1
        # Half of them go on, whatever happens: a slot is held because the others do better without what it costs.
        held = self._crew.slots.died(worker.slot, why, most_held=self._crew.size // 2)
        if held is None:
            return None
        self._holds[worker.pid] = held
        return held.until - self._loop.time()

    def explain(self, worker: WorkerProcess, why: str) -> None:
        """Hear what the kernel's counters say too."""
        held = self._holds.pop(worker.pid, None)
        if held is not None:
            self._crew.slots.explain(held, why)
            seconds = round(held.until - self._loop.time(), 1)
            log.error("workers keep dying in this slot; it is held empty", slot=held.slot, why=why, seconds=seconds)
