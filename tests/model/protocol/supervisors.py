"""What a supervisor does: register, beat, fence, call, leave; as supervisor/ has it."""

from collections.abc import Collection, Iterator

from tests.model.protocol.rules import Promise, Rule, Violation
from tests.model.protocol.scenario import Scenario
from tests.model.protocol.scripts import Scripts
from tests.model.protocol.state import (
    FENCE,
    Answer,
    Attempt,
    Call,
    Held,
    Request,
    Settle,
    State,
    Step,
    Supervisor,
    put,
)


class Supervisors:
    """Takes the steps of every supervisor that is awake."""

    def __init__(self, scenario: Scenario, left_out: Collection[Rule], scripts: Scripts) -> None:
        self._scenario = scenario
        self._left_out = frozenset(left_out)
        self._scripts = scripts
        self._places = scenario.places
        self._idle: tuple[Attempt | None, ...] = (None,) * scenario.workers

    def steps(self, state: State, slot: int) -> Iterator[Step]:
        """Yield what one of them can do next."""
        supervisor = state.supervisors[slot]
        if supervisor.phase == "absent":
            yield from self._start(state, slot)
        if supervisor.is_stopped or supervisor.phase not in ("registering", "serving", "leaving"):
            return
        if supervisor.call is not None and supervisor.call.reply and is_connected(state, supervisor):
            yield self._take_answer(state, slot, supervisor, supervisor.call)
        yield from self._give_up(state, slot, supervisor)
        if supervisor.phase == "registering":
            yield from self._register(state, slot, supervisor)
        if supervisor.phase == "serving":
            yield from self._serve(state, slot, supervisor)

    def _serve(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        yield from self._fence(state, slot, supervisor)
        if is_connected(state, supervisor):
            yield from self._beat(state, slot, supervisor)
            yield from self._call(state, slot, supervisor)
        if supervisor.is_stopping:
            yield from self._drain(state, slot, supervisor)

    def tell(self, slot: int) -> str:
        """Name a process: by its name and its number."""
        return f"{'AB'[self._places[slot].name]}{slot}"

    def _start(self, state: State, slot: int) -> Iterator[Step]:
        place, files = self._places[slot], state.files
        number = sorted(set(self._places)).index(place)
        namesakes = [
            one for other, one in enumerate(state.supervisors) if other != slot and self._places[other] == place
        ]
        if any(one.phase in ("registering", "serving", "leaving") for one in namesakes):
            return
        earlier = [one for one, other in zip(state.supervisors[:slot], self._places, strict=False) if other == place]
        if any(one.phase == "absent" for one in earlier):
            return
        has_orphans = any(any(one.workers) for one in namesakes)
        if has_orphans and Rule.LOCK_INHERITED not in self._left_out:
            return
        proofs = (slot, *files[number])
        supervisor = Supervisor("registering", self._idle, proofs=proofs)
        yield Step(
            f"{self.tell(slot)} starts on host {place.host}",
            state.with_supervisor(slot, supervisor)._replace(files=put(files, number, proofs)),
        )

    def _register(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        if supervisor.call is None and supervisor.waits <= 0 and is_connected(state, supervisor):
            number = supervisor.registrations + 1
            supervisor = supervisor._replace(registrations=number, call=Call("register", number))
            request = Request(slot, "register", 0, number, supervisor.proofs)
            yield Step(f"{self.tell(slot)} sends register {number}", _send(state, slot, supervisor, request))

    def _registered(self, state: State, slot: int, supervisor: Supervisor, answer: Answer) -> State:
        if answer[0] == "ok":
            place = sorted(set(self._places)).index(self._places[slot])
            # Fenced until the first beat is answered.
            supervisor = supervisor._replace(phase="serving", epoch=answer[1], waits=0)
            state = state._replace(files=put(state.files, place, (slot,)))
        elif answer[0] == "in_use":
            if supervisor.waits < 0 and Rule.REFUSAL not in self._left_out:
                return state.with_supervisor(slot, Supervisor("dead", self._idle))
            # Nothing of this call is under way any more: its number may come again.
            supervisor = supervisor._replace(waits=answer[1], registrations=supervisor.registrations - 1)
        return state.with_supervisor(slot, supervisor)

    def _beat(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        answer, redis = self._scripts.beat(state.redis, slot, supervisor.epoch)
        after = state._replace(redis=redis)
        if answer[0] != "ok":
            yield Step(f"{self.tell(slot)} beats: {answer[0]}", self._lose_epoch(after, slot, answer[0]))
            return
        _, running, cancels, is_alone = answer
        told, differs = "", supervisor.call is None and running != len(supervisor.held)
        beaten = supervisor._replace(fence=FENCE, is_alone=is_alone)
        if differs and Rule.INDEX_SIZE not in self._left_out:
            beaten = beaten._replace(must_reconcile=True)
            told += f", redis counts {running} as its own"
        flagged = set(cancels) & set(supervisor.held)
        if flagged:
            beaten = _kill(beaten, "cancelled", flagged)
            told += f", kills {sorted(flagged)}"
        if redis.jobs != state.redis.jobs:
            told += ", reaps"
        yield Step(f"{self.tell(slot)} beats{told}", after.with_supervisor(slot, beaten))

    def _lose_epoch(self, state: State, slot: int, word: str) -> State:
        """End, or kill and drop everything and register anew."""
        supervisor = state.supervisors[slot]
        record = state.redis.records[self._places[slot].name]
        if word == "superseded":
            if record.lock == slot or record.epoch < supervisor.epoch:
                raise Violation(Promise.SUPERSEDED, f"{self.tell(slot)} by epoch {record.epoch}")
            return state.with_supervisor(slot, Supervisor("dead", self._idle))
        fresh = Supervisor(
            "registering",
            self._idle,
            registrations=supervisor.registrations,
            is_stopping=supervisor.is_stopping,
            proofs=supervisor.proofs,
        )
        return state.with_supervisor(slot, fresh)

    def _fence(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        if not self.must_fence(supervisor):
            return
        fenced = _kill(supervisor, "fenced")
        if Rule.FENCED_SETTLED in self._left_out:
            results = tuple(settle for settle in fenced.results if settle[2] != "fenced")
            fenced = fenced._replace(results=results)
        yield Step(f"{self.tell(slot)} kills what must not overlap", state.with_supervisor(slot, fenced))

    def must_fence(self, supervisor: Supervisor) -> bool:
        """Whether attempts have to be killed before more time passes."""
        is_due = supervisor.phase == "serving" and not supervisor.fence and any(supervisor.workers)
        may_overlap = self._scenario.is_exclusive and not supervisor.is_alone
        return is_due and may_overlap and Rule.FENCE not in self._left_out

    def _call(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        # A beat comes before it.
        is_beaten = supervisor.fence == FENCE
        if supervisor.call is not None:
            return
        if supervisor.must_reconcile and Rule.RECONCILE not in self._left_out:
            if is_beaten:
                yield self._send_reconcile(state, slot, supervisor)
            return
        wanted = self._wanted(supervisor) if any(job.status == "pending" for job in state.redis.jobs) else (0, 0)
        if supervisor.results or any(wanted):
            yield self._send_exchange(state, slot, supervisor, wanted)

    def _send_reconcile(self, state: State, slot: int, supervisor: Supervisor) -> Step:
        number, held = supervisor.calls + 1, tuple(sorted(supervisor.held))
        supervisor = supervisor._replace(calls=number, call=Call("reconcile", number))
        request = Request(slot, "reconcile", supervisor.epoch, number, held)
        told = f"{self.tell(slot)} sends #{number}, reconcile {list(held)}"
        return Step(told, _send(state, slot, supervisor, request))

    def _send_exchange(self, state: State, slot: int, supervisor: Supervisor, wanted: tuple[int, int]) -> Step:
        number, settles = supervisor.calls + 1, supervisor.results
        supervisor = supervisor._replace(calls=number, call=Call("exchange", number, settles))
        request = Request(slot, "exchange", supervisor.epoch, number, settles, wanted)
        told = f"{self.tell(slot)} sends #{number}, settles {list(settles)}, claims {sum(wanted)}"
        return Step(told, _send(state, slot, supervisor, request))

    def _wanted(self, supervisor: Supervisor) -> tuple[int, int]:
        if not _may_claim(supervisor) or not supervisor.idle:
            return 0, 0
        return supervisor.idle, self._scenario.beyond

    def _give_up(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        """Its sender has lost its connection; a timeout while Redis is there is trouble, and told elsewhere."""
        if supervisor.call is not None and not is_connected(state, supervisor):
            yield Step(f"{self.tell(slot)} gives its {supervisor.call.kind} up", self.give_up(state, slot))

    def give_up(self, state: State, slot: int) -> State:
        """Forget the open call: it may be applied or not."""
        supervisor = state.supervisors[slot]
        if supervisor.phase == "leaving":
            return state.with_supervisor(slot, Supervisor("dead", self._idle))
        # Without the rule it goes on with the next call.
        return state.with_supervisor(slot, supervisor._replace(call=None, must_reconcile=True))

    def _take_answer(self, state: State, slot: int, supervisor: Supervisor, call: Call) -> Step:
        told, answer = f"{self.tell(slot)} reads the answer to its {call.kind}", call.reply
        supervisor = supervisor._replace(call=None)
        state = state.with_supervisor(slot, supervisor)
        if call.kind == "leave":
            return Step(told, state.with_supervisor(slot, Supervisor("dead", self._idle)))
        if call.kind == "register":
            return Step(told, self._registered(state, slot, supervisor, answer))
        if answer[0] in ("reaped", "superseded"):
            return Step(told, self._lose_epoch(state, slot, answer[0]))
        if answer[0] == "old":
            return Step(told, state.with_supervisor(slot, supervisor._replace(must_reconcile=True)))
        take = _forget if call.kind == "reconcile" else _accept
        return Step(told, state.with_supervisor(slot, take(supervisor, call, answer[1])))

    def _drain(self, state: State, slot: int, supervisor: Supervisor) -> Iterator[Step]:
        if any(supervisor.workers):
            told = f"{self.tell(slot)} kills what still runs"
            yield Step(told, state.with_supervisor(slot, _kill(supervisor, "shutdown")))
            return
        if not is_connected(state, supervisor):
            told = f"{self.tell(slot)} ends without a word to redis"
            yield Step(told, state.with_supervisor(slot, Supervisor("dead", self._idle)))
            return
        if self._is_drained(supervisor):
            leaving = supervisor._replace(phase="leaving", call=Call("leave", 0))
            request = Request(slot, "leave", supervisor.epoch, 0)
            yield Step(f"{self.tell(slot)} leaves", _send(state, slot, leaving, request))

    def _is_drained(self, supervisor: Supervisor) -> bool:
        if Rule.LEAVE_WAITS in self._left_out and supervisor.call is not None:
            return set(supervisor.results) <= set(supervisor.call.settles)
        return not supervisor.results and supervisor.call is None


def is_connected(state: State, supervisor: Supervisor) -> bool:
    """Whether it can reach Redis."""
    return not (state.is_away or supervisor.is_cut)


def _may_claim(supervisor: Supervisor) -> bool:
    return not supervisor.is_stopping and supervisor.fence > 0


def _send(state: State, slot: int, supervisor: Supervisor, request: Request) -> State:
    return state.with_supervisor(slot, supervisor)._replace(net=tuple(sorted((*state.net, request))))


def _accept(supervisor: Supervisor, call: Call, claims: tuple[Held, ...]) -> Supervisor:
    """Forget what was settled, hand out what was claimed."""
    workers = list(supervisor.workers)
    results = [settle for settle in supervisor.results if settle not in call.settles]
    for job, token in claims:
        if _may_claim(supervisor) and None in workers:
            workers[workers.index(None)] = Attempt(job, token)
        else:
            results.append((job, token, "recalled"))
    return supervisor._replace(workers=tuple(workers), results=tuple(sorted(results)))


def _forget(supervisor: Supervisor, _call: Call, foreign: tuple[Held, ...]) -> Supervisor:
    """Kill and drop what is not ours any more."""
    workers = tuple(None if attempt and attempt.held in foreign else attempt for attempt in supervisor.workers)
    results = tuple(settle for settle in supervisor.results if settle[:2] not in foreign)
    return supervisor._replace(workers=workers, results=results, must_reconcile=False)


def _kill(supervisor: Supervisor, outcome: str, which: Collection[Held] | None = None) -> Supervisor:
    """Kill attempts, all or some; their workers are replaced at once."""
    results, workers = list(supervisor.results), list(supervisor.workers)
    for number, attempt in enumerate(workers):
        if attempt and (which is None or attempt.held in which):
            results.append(verdict(attempt, outcome))
            workers[number] = None
    return supervisor._replace(workers=tuple(workers), results=tuple(sorted(results)))


def verdict(attempt: Attempt, outcome: str) -> Settle:
    """What a dead worker's attempt comes to: its report wins, and what was not begun is recalled."""
    outcomes = {"handed": "recalled", "running": outcome, "reported": attempt.outcome}
    return (*attempt.held, outcomes[attempt.stage])
