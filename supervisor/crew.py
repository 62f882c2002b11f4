"""Who of the workers serves, who stands by, who is too many or outdated, and which slot the next one fills."""

import itertools
from collections.abc import Iterator

from jobworker.store.states import Outcome
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.releases import Releases
from jobworker.supervisor.slots import Slots


class Crew:
    """Owns the list of the workers and what is wanted of it; forks and dismisses nobody itself."""

    def __init__(self, size: int, spares: int, slots: Slots) -> None:
        self.workers: dict[int, WorkerProcess] = {}
        self.releases = Releases()
        self.slots = slots
        #: How many serve when all is well, spares not counted.
        self.size = size
        self._spares = spares
        self._is_trimming = False

    def resize(self, size: int) -> list[WorkerProcess]:
        """Want another size; return whom to dismiss now. Who is too many and busy is when its job has ended."""
        self.size = size
        self._is_trimming = True
        waiting = [worker for worker in self.workers.values() if worker.stage in (Stage.STARTING, Stage.SPARE)]
        to_come = max(size - self.count(Stage.IDLE, Stage.BUSY), 0)
        return [*list(self.idle())[: self._surplus()], *waiting[to_come + self._spares :]]

    def idle(self) -> Iterator[WorkerProcess]:
        """Yield who waits for a job."""
        return (worker for worker in self.workers.values() if worker.stage is Stage.IDLE)

    def has_run_its_last_job(self, worker: WorkerProcess, outcome: Outcome) -> bool:
        """Whether one that has just become idle is too many, or outdated while another can take its place."""
        if self._surplus():
            return True
        # An old one that meets a type which only the new code may know makes room at once.
        return not self.releases.uses(worker) and (outcome is Outcome.UNHANDLED or bool(self.count(Stage.SPARE)))

    def to_replace(self) -> list[WorkerProcess]:
        """Return whom the spares replace one for one: idle workers with older code."""
        outdated = [worker for worker in self.idle() if not self.releases.uses(worker)]
        return outdated[: self.count(Stage.SPARE)] if outdated else []

    def outdated_waiting(self) -> list[WorkerProcess]:
        """Return who stands by, or soon would, with older code."""
        waiting = (Stage.STARTING, Stage.SPARE)
        return [one for one in self.workers.values() if one.stage in waiting and not self.releases.uses(one)]

    def on_trial(self) -> list[WorkerProcess]:
        """Return who starts and will decide a trial."""
        return [one for one in self.workers.values() if one.stage is Stage.STARTING and self.releases.tries(one)]

    def promote(self) -> Iterator[WorkerProcess]:
        """Let spares serve where a worker is missing; yield them."""
        missing = self.size - self.count(Stage.IDLE, Stage.BUSY)
        for worker in self.workers.values():
            if missing > 0 and worker.stage is Stage.SPARE:
                worker.stage = Stage.IDLE
                missing -= 1
                yield worker

    def free_slot(self) -> int | None:
        """Return the slot for one more; None: there are enough, or what is left is held."""
        living = self._living()
        # While code is replaced there is a spare at least: it has to come before the old one goes.
        is_replacing = not all(self.releases.uses(one) or self.releases.tries(one) for one in living)
        # A trial is one more.
        wanted = self.size + max(self._spares, int(is_replacing)) + int(self.releases.on_trial)
        return self.slots.take(wanted, {worker.slot for worker in living}) if len(living) < wanted else None

    def trial_slot(self) -> int:
        """Return the slot for one more than there should be, held or not: a trial lasts for one hello."""
        taken = {worker.slot for worker in self._living()}
        return next(slot for slot in itertools.count() if slot not in taken)

    def _living(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers.values() if worker.stage is not Stage.ENDING]

    def count(self, *stages: Stage) -> int:
        """Return how many are in one of these stages."""
        return sum(worker.stage in stages for worker in self.workers.values())

    def _surplus(self) -> int:
        """How many more serve than are wanted."""
        # Asked after each job: nothing is counted unless the last resize left busy workers too many.
        surplus = max(self.count(Stage.IDLE, Stage.BUSY) - self.size, 0) if self._is_trimming else 0
        self._is_trimming = surplus > 0
        return surplus
