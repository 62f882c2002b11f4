"""The protocol: what can happen next, from every state, with all rules or without some."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from tests.model.protocol.rules import Promise, Rule, Violation
from tests.model.protocol.scenario import TROUBLES, Scenario
from tests.model.protocol.scripts import ENDED, Scripts
from tests.model.protocol.state import (
    FENCE,
    LEASE,
    SILENT,
    VOID,
    Attempt,
    Held,
    Job,
    Record,
    Redis,
    State,
    Step,
    Supervisor,
    put,
)
from tests.model.protocol.supervisors import Supervisors, is_connected
from tests.model.protocol.trouble import Trouble
from tests.model.protocol.workers import Workers

REPEAT: Final = TROUBLES.index("repeat")


class ProtocolModel:
    """A scenario, to be explored."""

    def __init__(self, scenario: Scenario, left_out: Collection[Rule] = ()) -> None:
        self._scenario = scenario
        self._names = [place.name for place in scenario.places]
        self._scripts = Scripts(scenario, left_out)
        self._supervisors = Supervisors(scenario, left_out, self._scripts)
        self._workers = Workers(scenario, left_out)
        self._trouble = Trouble(scenario, left_out, self._supervisors)
        self.initial = _first(scenario)

    def steps(self, state: State) -> Iterator[Step]:
        """Yield what can happen next."""
        for told, after, is_trouble in self._all_steps(state):
            if after != state:
                yield Step(told, after, is_trouble)

    def _all_steps(self, state: State) -> Iterator[Step]:
        for slot in range(len(state.supervisors)):
            yield from self._supervisors.steps(state, slot)
            yield from self._workers.steps(state, slot, self._supervisors.tell(slot))
        yield from self._deliver(state)
        yield from self._trouble.steps(state)
        yield from self._pass(state)

    def _count(self, state: State) -> State:
        """What was not on the disk is there after a few scripts more."""
        if state.disk is None:
            return state
        redis, count = state.disk
        return state._replace(disk=(redis, count + 1) if count < self._scenario.most_lost else None)

    def _deliver(self, state: State) -> Iterator[Step]:
        for number, request in enumerate(state.net):
            if request in state.net[:number]:
                continue
            who = self._supervisors.tell(request.slot)
            told = f"redis runs {request.kind} #{request.number} of {who}"
            rest = self._count(state._replace(net=(*state.net[:number], *state.net[number + 1 :])))
            answer, after = self._scripts.run(rest, request)
            supervisor = after.supervisors[request.slot]
            call = supervisor.call
            if call and not call.reply and call[:2] == request[1:4:2] and supervisor.epoch == request.epoch:
                after = after.with_supervisor(request.slot, supervisor._replace(call=call._replace(reply=answer)))
                told += f": {answer}"
            else:
                told += f": {answer}, and nobody waits for it"
            yield Step(told, after)
            if after.troubles[REPEAT]:
                again = after._replace(net=state.net, troubles=put(after.troubles, REPEAT, after.troubles[REPEAT] - 1))
                yield Step(f"{told}, and it will come once more", again, is_trouble=True)

    def _pass(self, state: State) -> Iterator[Step]:
        """A tick passes: whoever is awake has done what cannot wait, and whoever is connected beats."""
        if any(self._is_due(state, slot, one) for slot, one in enumerate(state.supervisors)):
            return
        healthy = [slot for slot, one in enumerate(state.supervisors) if self._is_healthy(state, one)]
        redis = _age(state.redis)
        if healthy:
            redis = redis._replace(silence=0)
        for slot in healthy:
            record = redis.records[self._names[slot]]._replace(lease=LEASE)
            redis = redis._replace(records=put(redis.records, self._names[slot], record))
        supervisors = tuple(
            self._grow_old(one, redis, slot, is_healthy=slot in healthy) for slot, one in enumerate(state.supervisors)
        )
        # Redis loses what it has written within a second or two, no more.
        yield Step("time passes", state._replace(redis=redis, supervisors=supervisors, disk=None))

    def _is_due(self, state: State, slot: int, supervisor: Supervisor) -> bool:
        if supervisor.phase == "dead":
            return any(supervisor.workers)
        if supervisor.is_stopped:
            return False
        if supervisor.call is not None:
            # Answered or given up by then.
            return True
        if supervisor.phase != "serving":
            return False
        refused = self._scripts.refusal(state.redis, self._names[slot], supervisor.epoch)
        must_beat = is_connected(state, supervisor) and (supervisor.fence < FENCE or refused)
        return bool(must_beat) or self._supervisors.must_fence(supervisor)

    def _is_healthy(self, state: State, supervisor: Supervisor) -> bool:
        return supervisor.phase == "serving" and not supervisor.is_stopped and is_connected(state, supervisor)

    def _grow_old(self, supervisor: Supervisor, redis: Redis, slot: int, *, is_healthy: bool) -> Supervisor:
        if is_healthy:
            return supervisor._replace(is_alone=self._scripts.is_alone(redis, self._names[slot]))
        if supervisor.phase == "registering" and supervisor.waits > 0:
            # Waited for.
            return supervisor._replace(waits=supervisor.waits - 1 or -1)
        if supervisor.phase == "serving":
            if not supervisor.fence and (supervisor.is_stopped or supervisor.is_alone):
                workers = tuple(one and _excuse(one) for one in supervisor.workers)
                supervisor = supervisor._replace(workers=workers)
            return supervisor._replace(fence=max(0, supervisor.fence - 1))
        return supervisor

    def check(self, state: State) -> None:
        """Raise Violation if two have the same epoch or hold the same attempt, or an exclusive job runs twice."""
        held, epochs, running = list[Held](), list[tuple[int, int]](), list[int]()
        for slot, supervisor in enumerate(state.supervisors):
            if supervisor.phase != "dead":
                held += supervisor.held
            if supervisor.phase == "serving":
                epochs.append((self._names[slot], supervisor.epoch))
            running += [one.job for one in supervisor.workers if one and one.stage == "running" and not one.is_excused]
        _require_different(epochs, Promise.SAME_EPOCH)
        _require_different(held, Promise.HELD_TWICE)
        if self._scenario.is_exclusive:
            _require_different(running, Promise.OVERLAP)

    def is_end(self, state: State) -> bool:
        """Return whether all jobs have ended and nobody holds anything, or nobody is left who could do something."""
        living = [one for one in state.supervisors if one.phase != "dead"]
        if not living:
            return True
        if self._scenario.hangs:
            # What was not cancelled goes on for ever.
            return not any(job.flagged for job in state.redis.jobs)
        is_calm = all(one.phase in ("serving", "absent") and not one.held for one in living)
        return is_calm and all(job.status in ENDED for job in state.redis.jobs)


def _first(scenario: Scenario) -> State:
    """Some have served for a full term, the others are to start."""
    names, places = {place.name for place in scenario.places}, sorted(set(scenario.places))
    idle: tuple[Attempt | None, ...] = (None,) * scenario.workers
    records: tuple[Record, ...] = (Record(),) * len(names)
    files: tuple[tuple[int, ...], ...] = ((),) * len(places)
    supervisors = (Supervisor("absent", idle),) * len(scenario.places)
    for slot, place in enumerate(scenario.places[: scenario.serving]):
        records = put(records, place.name, Record(1, slot, 1, LEASE, LEASE))
        files = put(files, places.index(place), (slot,))
        serving = Supervisor("serving", idle, epoch=1, registrations=1, fence=FENCE, must_reconcile=False)
        serving = serving._replace(is_alone=scenario.serving == 1, proofs=(slot,))
        supervisors = put(supervisors, slot, serving)
    members = tuple((name, 1) for name, record in enumerate(records) if record.epoch)
    redis = Redis((Job(),) * scenario.jobs, records, members)
    troubles = tuple(scenario.trouble.get(kind, 0) for kind in TROUBLES)
    epochs = tuple(record.epoch for record in records)
    return State(redis, supervisors, troubles, (0,) * scenario.jobs, epochs, files)


def _age(redis: Redis) -> Redis:
    records = tuple(record if record.lease == VOID else _age_record(record) for record in redis.records)
    return redis._replace(records=records, silence=min(SILENT, redis.silence + 1), quiet=max(0, redis.quiet - 1))


def _age_record(record: Record) -> Record:
    return record._replace(lease=max(0, record.lease - 1), term=min(LEASE, record.term + 1))


def _excuse(attempt: Attempt) -> Attempt:
    return attempt._replace(is_excused=True) if attempt.stage == "running" else attempt


def _require_different(items: Sequence[object], promise: Promise) -> None:
    if len(set(items)) < len(items):
        raise Violation(promise, f"among {items}")
