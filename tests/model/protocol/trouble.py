"""What can go wrong, each as often as the scenario allows."""

from collections.abc import Collection, Iterator

from tests.model.protocol.rules import Rule
from tests.model.protocol.scenario import TROUBLES, Scenario
from tests.model.protocol.state import FENCE, LEASE, Attempt, Job, Redis, State, Step, Supervisor, put
from tests.model.protocol.supervisors import Supervisors, verdict


class Trouble:
    """Breaks things, and mends those that mend themselves."""

    def __init__(self, scenario: Scenario, left_out: Collection[Rule], supervisors: Supervisors) -> None:
        self._scenario = scenario
        self._left_out = frozenset(left_out)
        self._supervisors = supervisors
        self._names = [place.name for place in scenario.places]

    def steps(self, state: State) -> Iterator[Step]:
        """Yield all trouble that there may be, and all that may end."""
        for kind, left in zip(TROUBLES, state.troubles, strict=True):
            if left:
                less = state._replace(troubles=put(state.troubles, TROUBLES.index(kind), left - 1))
                for told, after in self._come(kind, less):
                    yield Step(told, after, is_trouble=True)
        yield from self._end(state)

    def _come(self, kind: str, state: State) -> Iterator[tuple[str, State]]:
        if kind == "outage":
            yield "redis is away", state._replace(is_away=True)
        elif kind == "unwritten":
            yield "redis writes nothing to its disk from here on", state._replace(disk=(state.redis, 0))
        elif kind == "cancel":
            yield from self._cancel(state)
        elif kind != "repeat":
            for slot, supervisor in enumerate(state.supervisors):
                if supervisor.phase in ("registering", "serving", "leaving"):
                    yield from self._meet(kind, state, slot, supervisor)

    def _meet(self, kind: str, state: State, slot: int, supervisor: Supervisor) -> Iterator[tuple[str, State]]:
        """Trouble of one process."""
        who = self._supervisors.tell(slot)
        serves = supervisor.phase == "serving" and not supervisor.is_stopped
        if kind == "late" and supervisor.call is not None and not supervisor.is_stopped:
            told = f"{who} gives its {supervisor.call.kind} up, which is late"
            yield told, self._supervisors.give_up(state, slot)
        elif kind == "crash":
            yield f"{who} is killed", state.with_supervisor(slot, Supervisor("dead", _orphans(supervisor)))
        elif kind == "stop" and not supervisor.is_stopped:
            yield f"{who} is stopped", state.with_supervisor(slot, supervisor._replace(is_stopped=True))
        elif kind == "cut" and not supervisor.is_cut:
            yield f"{who} is cut off", state.with_supervisor(slot, supervisor._replace(is_cut=True))
        elif kind == "drain" and not supervisor.is_stopping:
            yield f"{who} is told to drain", state.with_supervisor(slot, supervisor._replace(is_stopping=True))
        elif kind == "slow" and serves and supervisor.fence == FENCE:
            yield from self._be_slow(state, slot, supervisor)
        elif kind in ("worker", "raise") and serves:
            yield from self._break_worker(kind, state, slot, supervisor)

    def _be_slow(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[tuple[str, State]]:
        name = self._names[slot]
        record = state.redis.records[name]
        if record.epoch == supervisor.epoch and record.lease == LEASE:
            records = put(state.redis.records, name, record._replace(lease=LEASE - 1))
            slow = state._replace(redis=state.redis._replace(records=records))
            told = f"the last beat of {self._supervisors.tell(slot)} is a tick old"
            yield told, slow.with_supervisor(slot, supervisor._replace(fence=FENCE - 1))

    def _break_worker(self, kind: str, state: State, slot: int, supervisor: Supervisor) -> Iterator[tuple[str, State]]:
        for number, attempt in enumerate(supervisor.workers):
            who = f"worker {number} of {self._supervisors.tell(slot)}"
            if attempt is None:
                continue
            if kind == "raise" and attempt.stage == "running":
                raised = put(supervisor.workers, number, attempt._replace(stage="reported", outcome="raised"))
                yield (
                    f"{who}: job {attempt.job} raises",
                    state.with_supervisor(slot, supervisor._replace(workers=raised)),
                )
            elif kind == "worker":
                settle = verdict(attempt, "crashed")
                if Rule.READ_TO_THE_END in self._left_out and attempt.stage == "reported":
                    settle = (*attempt.held, "crashed")
                results = tuple(sorted((*supervisor.results, settle)))
                dead = supervisor._replace(workers=put(supervisor.workers, number, None), results=results)
                yield f"{who} dies: {settle}", state.with_supervisor(slot, dead)

    def _cancel(self, state: State) -> Iterator[tuple[str, State]]:
        for number, job in enumerate(state.redis.jobs):
            if job.status == "pending":
                job = Job("cancelled")
            elif job.status == "running" and not job.flagged:
                job = job._replace(flagged=1)
            else:
                continue
            redis = state.redis._replace(jobs=put(state.redis.jobs, number, job))
            yield f"a client cancels job {number}: {job.status}", state._replace(redis=redis)

    def _end(self, state: State) -> Iterator[Step]:
        if state.is_away:
            yield Step("redis is back", state._replace(is_away=False))
        if state.disk is not None:
            yield Step("redis is started anew, with what was on its disk", self._restart(state, state.disk), True)
        for slot, supervisor in enumerate(state.supervisors):
            who = self._supervisors.tell(slot)
            if supervisor.is_stopped:
                yield Step(f"{who} goes on", state.with_supervisor(slot, supervisor._replace(is_stopped=False)))
            if supervisor.is_cut:
                yield Step(f"{who} is connected again", state.with_supervisor(slot, supervisor._replace(is_cut=False)))

    def _restart(self, state: State, disk: tuple[Redis, int]) -> State:
        """No connection outlives it: every open call fails, and nothing is under way any more."""
        state = state._replace(redis=disk[0], disk=None, net=())
        for slot, supervisor in enumerate(state.supervisors):
            if supervisor.phase in ("registering", "serving", "leaving"):
                state = self._supervisors.give_up(state, slot)
        return state


def _orphans(supervisor: Supervisor) -> tuple[Attempt | None, ...]:
    """What still runs for a moment."""
    return tuple(one if one and one.stage == "running" else None for one in supervisor.workers)
