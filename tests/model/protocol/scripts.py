"""The scripts of store/lua that move jobs between supervisors, as functions of a state."""

from collections.abc import Collection, Iterable
from typing import Final

from tests.model.protocol.rules import Promise, Rule, Violation
from tests.model.protocol.scenario import Scenario
from tests.model.protocol.state import (
    FORGIVEN,
    LEASE,
    MARKED,
    MAX_ATTEMPTS,
    MAX_CRASHES,
    NEVER,
    SILENT,
    VOID,
    Answer,
    Held,
    Job,
    Record,
    Redis,
    Request,
    Settle,
    State,
    put,
)

FREE: Final = {"shutdown", "fenced", "recalled"}
CRASH: Final = {"crashed", "lost"}
ENDED: Final = {"succeeded", "failed", "cancelled"}


class Scripts:
    """Plays Redis: each method is one script, and returns its answer and the state after it."""

    def __init__(self, scenario: Scenario, left_out: Collection[Rule]) -> None:
        self._names = [place.name for place in scenario.places]
        self._step = scenario.reaped_per_beat
        self._is_harmless = scenario.is_harmless
        self._left_out = frozenset(left_out)

    def run(self, state: State, request: Request) -> tuple[Answer, State]:
        """Run the script that a request asks for."""
        script = {
            "register": self._register,
            "exchange": self._exchange,
            "reconcile": self._reconcile,
            "leave": self._leave,
        }[request.kind]
        return script(state, request)

    def refusal(self, redis: Redis, name: int, epoch: int) -> str:
        """As includes/incarnation.lua has it; empty when the epoch may write."""
        record = redis.records[name]
        if record.lease == VOID:
            return "reaped"
        if record.epoch == epoch or Rule.EPOCHS_COMPARED in self._left_out:
            return ""
        is_later = record.epoch > epoch or Rule.YOUNGER_SUPERSEDES in self._left_out
        return "superseded" if record.lease > 0 and is_later else "reaped"

    def running(self, redis: Redis, name: int, epoch: int) -> list[int]:
        """The index of what an incarnation runs."""
        return [number for number, job in enumerate(redis.jobs) if self._is_owned(job, name, epoch)]

    def _is_owned(self, job: Job, name: int, epoch: int) -> bool:
        is_same = job.epoch == epoch or Rule.INDEX_PER_EPOCH in self._left_out
        return job.status == "running" and job.owner == name and is_same

    def _is_held(self, job: Job, name: int, epoch: int, token: int) -> bool:
        is_same = job.token == token or Rule.TOKENS_COMPARED in self._left_out
        return is_same and self._is_owned(job, name, epoch)

    def _settle(self, jobs: tuple[Job, ...], name: int, epoch: int, settle: Settle) -> tuple[Job, ...]:
        number, token, outcome = settle
        job = jobs[number]
        if not self._is_held(job, name, epoch, token):
            return jobs
        if job.token != token:
            raise Violation(Promise.CHARGED, f"job {number} is settled by an attempt that has lost it")
        job = self._spend(number, job, outcome)
        status = self._next_status(job, outcome)
        if status in ENDED:
            # Nothing else of it matters any more.
            return put(jobs, number, Job(status))
        return put(jobs, number, job._replace(status=status, owner=-1, epoch=0))

    def _spend(self, number: int, job: Job, outcome: str) -> Job:
        crashes = job.crashes
        if outcome == "lost":
            # Whoever has done it could not say so.
            job = job._replace(is_done=False)
            if job.ahead == MARKED and Rule.AHEAD not in self._left_out:
                return job._replace(ahead=FORGIVEN)
        if outcome == "raised":
            job = job._replace(failures=job.failures + 1)
        if outcome in CRASH or (outcome == "fenced" and Rule.FENCED_FREE in self._left_out):
            job = job._replace(crashes=job.crashes + 1)
        spends_unduly = self._is_harmless or outcome in FREE
        if job.failures + job.crashes > job.chargeable or (job.crashes > crashes and spends_unduly):
            raise Violation(Promise.CHARGED, f"job {number} is {outcome}, {job.crashes} crashes")
        return job

    def _next_status(self, job: Job, outcome: str) -> str:
        if outcome == "succeeded":
            return "succeeded"
        if outcome == "cancelled" or (job.flagged and Rule.CANCEL_KEPT not in self._left_out):
            return "cancelled"
        return "failed" if job.failures >= MAX_ATTEMPTS or job.crashes >= MAX_CRASHES else "pending"

    def _register(self, state: State, request: Request) -> tuple[Answer, State]:
        redis, slot, name = state.redis, request.slot, self._names[request.slot]
        old = redis.records[name]
        is_late = old.lock == slot and old.registration >= request.number
        if is_late and Rule.REGISTRATIONS_COUNTED not in self._left_out:
            return ("old",), state
        is_proven = old.lock in request.items or Rule.PROOF in self._left_out
        if old.lease > 0 and not is_proven:
            return ("in_use", old.lease), state
        last = old.epoch if Rule.EPOCHS_FROM_CLOCK in self._left_out else max(old.epoch, state.epochs[name])
        record = Record(last + 1, slot, request.number, LEASE, 0, is_proven)
        redis = redis._replace(
            records=put(redis.records, name, record), members=_with(redis.members, (name, record.epoch))
        )
        epochs = put(state.epochs, name, max(record.epoch, state.epochs[name]))
        return ("ok", record.epoch), state._replace(redis=redis, epochs=epochs)

    def _refusal_of_call(self, redis: Redis, name: int, request: Request) -> str:
        """Return why a numbered call is not done; empty: it is."""
        refused = self.refusal(redis, name, request.epoch)
        is_old = request.number < redis.records[name].last_call
        return refused or ("old" if is_old and Rule.OLD_CALLS not in self._left_out else "")

    def _exchange(self, state: State, request: Request) -> tuple[Answer, State]:
        name, redis = self._names[request.slot], state.redis
        record = redis.records[name]
        refused = self._refusal_of_call(redis, name, request)
        if refused:
            return (refused,), state
        if request.number == record.last_call and Rule.REPEATS not in self._left_out:
            # Its sender has had the answer, or has given the call up.
            return ("ok", ()), state
        jobs = redis.jobs
        for settle in request.items:
            jobs = self._settle(jobs, name, request.epoch, settle)
        records = put(redis.records, name, record._replace(last_call=request.number))
        state = state._replace(redis=redis._replace(jobs=jobs, records=records))
        claims, state = self._claim(state, name, request) if record.lease > 0 else ((), state)
        return ("ok", claims), state

    def _claim(self, state: State, name: int, request: Request) -> tuple[tuple[Held, ...], State]:
        jobs, tokens, claims = state.redis.jobs, state.tokens, list[Held]()
        for number, job in enumerate(jobs):
            if len(claims) == sum(request.wanted):
                break
            if job.status == "pending":
                job = self._begin(number, job, state.tokens, is_beyond=len(claims) >= request.wanted[0])
                jobs = put(jobs, number, job._replace(owner=name, epoch=request.epoch))
                tokens = put(tokens, number, max(job.token, tokens[number]))
                claims.append((number, job.token))
        return tuple(claims), state._replace(redis=state.redis._replace(jobs=jobs), tokens=tokens)

    def _begin(self, number: int, job: Job, tokens: tuple[int, ...], *, is_beyond: bool) -> Job:
        if job.flagged:
            raise Violation(Promise.CANCEL, f"job {number}")
        last = job.token if Rule.TOKENS_FROM_CLOCK in self._left_out else max(job.token, tokens[number])
        ahead = job.ahead
        if is_beyond and ahead == NEVER:
            ahead = MARKED
        elif not is_beyond and ahead == MARKED:
            ahead = NEVER
        chargeable = job.chargeable + (ahead != MARKED)
        return job._replace(status="running", token=last + 1, ahead=ahead, chargeable=chargeable)

    def _reconcile(self, state: State, request: Request) -> tuple[Answer, State]:
        name, redis = self._names[request.slot], state.redis
        record = redis.records[name]
        refused = self._refusal_of_call(redis, name, request)
        if refused:
            return (refused,), state
        jobs = redis.jobs
        foreign = tuple(
            held for held in request.items if not self._is_held(jobs[held[0]], name, request.epoch, held[1])
        )
        listed = set(request.items) - set(foreign)
        for number in self.running(redis, name, request.epoch):
            if (number, jobs[number].token) not in listed:
                jobs = self._settle(jobs, name, request.epoch, (number, jobs[number].token, "recalled"))
        if Rule.RECONCILE_NUMBERED not in self._left_out:
            record = record._replace(last_call=request.number)
        redis = redis._replace(jobs=jobs, records=put(redis.records, name, record))
        return ("ok", foreign), state._replace(redis=redis)

    def _leave(self, state: State, request: Request) -> tuple[Answer, State]:
        name, redis = self._names[request.slot], state.redis
        refused = self.refusal(redis, name, request.epoch)
        if refused:
            return (refused,), state
        jobs, record = redis.jobs, redis.records[name]
        if Rule.LEAVE_PUTS_BACK not in self._left_out:
            jobs = self._settle_all(jobs, name, request.epoch, self.running(redis, name, request.epoch), "shutdown")
        if Rule.LEAVE_VOIDS not in self._left_out:
            record = record._replace(lease=VOID)
        members = tuple(member for member in redis.members if member != (name, request.epoch))
        redis = redis._replace(jobs=jobs, records=put(redis.records, name, record), members=members)
        return ("ok",), state._replace(redis=redis)

    def _settle_all(
        self, jobs: tuple[Job, ...], name: int, epoch: int, numbers: Iterable[int], outcome: str
    ) -> tuple[Job, ...]:
        for number in numbers:
            jobs = self._settle(jobs, name, epoch, (number, jobs[number].token, outcome))
        return jobs

    def beat(self, redis: Redis, slot: int, epoch: int) -> tuple[Answer, Redis]:
        """Answer ok, how much runs, what to cancel, whether nobody else holds a lease."""
        name = self._names[slot]
        refused = self.refusal(redis, name, epoch)
        if refused:
            return (refused,), redis
        record = redis.records[name]
        record = record._replace(lease=LEASE, term=record.term if record.lease > 0 else 0)
        was_silent = redis.silence >= SILENT and Rule.SILENCE not in self._left_out
        redis = redis._replace(
            records=put(redis.records, name, record),
            members=_with(redis.members, (name, record.epoch)),
            silence=0,
            quiet=LEASE if was_silent else redis.quiet,
        )
        redis = self._reap_one(redis, name, record)
        mine = self.running(redis, name, epoch)
        cancels = tuple((number, redis.jobs[number].token) for number in mine if redis.jobs[number].flagged == 1)
        if Rule.CANCEL_REPEATED in self._left_out:
            for number, _ in cancels:
                redis = redis._replace(jobs=put(redis.jobs, number, redis.jobs[number]._replace(flagged=2)))
        return ("ok", len(mine), cancels, self.is_alone(redis, name)), redis

    def is_alone(self, redis: Redis, name: int) -> bool:
        """Whether nobody else holds a lease."""
        return not any(record.lease > 0 for other, record in enumerate(redis.records) if other != name)

    def _reap_one(self, redis: Redis, name: int, record: Record) -> Redis:
        has_full_term = record.term >= LEASE or Rule.FULL_TERM in self._left_out
        may_reap = has_full_term and not redis.quiet
        for other, epoch in redis.members:
            theirs = redis.records[other]
            is_over = theirs.epoch != epoch or theirs.lease <= 0
            is_past = other == name and epoch < record.epoch and record.is_proven
            if is_over and (other, epoch) != (name, record.epoch) and (may_reap or is_past):
                return self._reap(redis, other, epoch)
        return redis

    def _reap(self, redis: Redis, name: int, epoch: int) -> Redis:
        record = redis.records[name]
        if record.epoch == epoch and Rule.VOIDING not in self._left_out:
            redis = redis._replace(records=put(redis.records, name, record._replace(lease=VOID)))
        index = self.running(redis, name, epoch)
        redis = redis._replace(jobs=self._settle_all(redis.jobs, name, epoch, index[: self._step], "lost"))
        if len(index) > self._step:
            return redis
        return redis._replace(members=tuple(member for member in redis.members if member != (name, epoch)))


def _with(members: tuple[tuple[int, int], ...], member: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return members if member in members else tuple(sorted((*members, member)))
