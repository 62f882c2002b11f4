"""Does one thing to Redis and to the reference beside it: both must answer the same, and hold the same afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import note

from jobworker.store.audit import Audit
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.claims import Attempted, Settle, Wanted
from jobworker.store.errors import (
    InvalidJob,
    JobNotFound,
    NameInUse,
    NotRunning,
    Reaped,
    StoreError,
    Superseded,
    SupervisorNotFound,
    WrongState,
)
from jobworker.store.flaws import Flaw, Kind
from jobworker.store.incarnation import OldCall
from jobworker.store.job import AttemptDetail, ErrorInfo, NewJob
from jobworker.store.listing import JobFilter
from jobworker.store.repair import Mending, Repair
from jobworker.store.report import AttemptReport, LogChunk, Progress
from jobworker.store.request import Request
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.states import ENDED, FREE, JobState, Outcome
from jobworker.store.stats import Sums
from tests.model.store.clients import Clients
from tests.model.store.fleet import Beaten, Exchanged, Fleet
from tests.model.store.image import expected, found
from tests.model.store.shelf import Shelf
from tests.support.redis_source import RedisSource
from tests.support.snapshot import changes
from tests.support.world import LEASE_MS, Supervisor, World

#: So few jobs, kept so briefly, that trimming is nothing rare.
RETENTION: Final = Retention(keep_ms=60_000, keep_failed_ms=120_000, keep_jobs=2)
BEAT_MS: Final = 3000
WORDS: Final = {
    InvalidJob: "expired",
    JobNotFound: "missing",
    NameInUse: "in_use",
    OldCall: "old",
    Reaped: "reaped",
    Superseded: "superseded",
    NotRunning: "not running",
    SupervisorNotFound: "not living",
}


@dataclass
class Member:
    """An incarnation and what the test remembers of it."""

    supervisor: Supervisor
    #: All calls so far, as they were made.
    calls: list[tuple[int, list[Settle], list[Wanted], Sequence[str]]] = field(default_factory=list)
    #: All that was ever claimed, the newest last.
    attempts: list[Attempted] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    tallies: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.supervisor.name, self.supervisor.epoch


def word_of(call: Callable[[], Any]) -> Any:
    """Return what the call returns, or the word for what it raises."""
    try:
        return call()
    except WrongState as error:
        return error.state
    except StoreError as error:
        return WORDS[type(error)]


class Driver:
    """A server and a reference, at first nothing in either. Members and attempts are named by their place in a list."""

    def __init__(self, source: RedisSource) -> None:
        self.world = World(source, RETENTION)
        self.shelf = Shelf(RETENTION, self.world.clock.now_ms)
        self.clients = Clients(self.shelf)
        self.fleet = Fleet(self.shelf, self.clients, LEASE_MS)
        self.members: list[Member] = []
        self.tokens: dict[str, int] = {}

    def close(self) -> None:
        self.world.close()

    # What clients do.

    def enqueue(self, new_jobs: list[dict[str, Any]]) -> None:
        jobs = [self._new_job(**options) for options in new_jobs]
        answer = word_of(lambda: [accepted.status for accepted in self.world.store.enqueue(jobs)])
        self.agree(f"enqueue {[job.id for job in jobs]}", answer, self.clients.enqueue(jobs))

    def change(self, job_id: str, what: str) -> None:
        answer = word_of(lambda: getattr(self.world.store, what)(job_id)) or "ok"
        self.agree(f"{what} {job_id}", answer, getattr(self.clients, what)(job_id))

    def pause_or_resume(self, queue: str | None, what: str) -> None:
        if what == "pause":
            self.world.store.pause(queue, who="ada")
            self.clients.paused.add(queue or "*")
        else:
            self.world.store.resume(queue)
            self.clients.paused.discard(queue or "*")
        self.agree(f"{what} {queue or 'all'}")

    def ask_to_scale(self, name: str, workers: int) -> None:
        answer = word_of(lambda: self.world.store.control.scale(name, workers)) or "asked"
        is_living = self.fleet.request(name, "scale", str(workers))
        self.agree(f"scale {name}", answer, "asked" if is_living else "not living")

    def read(self, status: JobState) -> None:
        """The scripts that only read, beside what the reference sees."""
        store = self.world.store
        listed = {job.id for job in store.list_jobs(JobFilter(status=status), limit=200).jobs}
        self.agree(f"list {status}", listed, {one for one in self.shelf.jobs if self.clients.get(one) == status})
        running = {(one.name, one.epoch): one.running for one in store.fleet.members()}
        self.agree("members", running, {one: len(self.shelf.held_by(*one)) for one in self.fleet.members})

    # What supervisors do.

    def register(self, name: str, with_proof: bool) -> None:
        old = self.fleet.records.get(name)
        proofs = [old.lock_id] if old is not None and with_proof else []
        lock_id = f"lock{len(self.members)}"
        answer = word_of(lambda: self.world.register(name, lock_id=lock_id, proofs=proofs))
        if isinstance(answer, Supervisor):
            self.members.append(Member(answer))
            answer = answer.epoch
        self.agree(f"{name} registers, {len(proofs)} proofs", answer, self.fleet.register(name, lock_id, proofs))

    def exchange(self, place: int, settles: list[Any], wanted: list[str], queues: Sequence[str]) -> None:
        member = self._member(place)
        self._exchange(member, self._attempts(member, settles), wanted, queues)

    def repeat_an_exchange(self, place: int, ago: int) -> None:
        """A late copy, of the last call or of an older one."""
        member = self._member(place)
        if member.calls:
            self._call(member, *member.calls[-1 - ago % len(member.calls)])

    def reconcile(self, place: int, listed: list[int], is_late: bool) -> None:
        member = self._member(place)
        held = [attempted for attempted, *_ in self._attempts(member, [(one,) for one in dict.fromkeys(listed)])]
        held = list({attempted.id: attempted for attempted in held}.values())
        member.supervisor.calls += not is_late
        call = member.supervisor.calls
        answer = word_of(lambda: member.supervisor.reconcile(*held, call=call))
        wanted = self.fleet.reconcile(*member.key, call, held)
        self.agree(f"{self._name(member)} reconciles as call {call}", answer, wanted)

    def beat(self, place: int, is_done: bool) -> None:
        member = self._member(place)
        self._beat(member, member.asked if is_done else [])

    def leave(self, place: int) -> None:
        member = self._member(place)
        answer = word_of(member.supervisor.leave)
        self.agree(f"{self._name(member)} leaves", answer, self.fleet.leave(*member.key))

    def report(self, place: int, which: int, at: int, size: int, told: bool) -> None:
        member = self._member(place)
        for (attempted,) in self._attempts(member, [(which,)]):
            self._report(member, attempted, at, size, told)

    def _report(self, member: Member, attempted: Attempted, at: int, size: int, told: bool) -> None:
        progress = Progress(None, "half of it") if told else None
        chunks = (LogChunk(at, 0, b"x" * size),) if size else ()
        reports = [AttemptReport(attempted.id, attempted.token, progress, chunks)]
        answer = word_of(lambda: member.supervisor.report(*reports))
        self.agree(f"{self._name(member)} reports on {attempted.id}", answer, self.fleet.report(*member.key, reports))

    def keep_stack(self, place: int, which: int) -> None:
        member = self._member(place)
        for (attempted,) in self._attempts(member, [(which,)]):
            self.world.run(member.supervisor.incarnation.keep_stack(attempted, "line 1"))
            self.fleet.keep_stack(*member.key, attempted, "line 1")
            self.agree(f"{self._name(member)} keeps a stack of {attempted.id}")

    def publish(self, place: int, types: list[str]) -> None:
        member = self._member(place)
        publishing = member.supervisor.incarnation.publish([HandlerEntry(one, {}) for one in types], 2)
        answer = word_of(lambda: self.world.run(publishing)) or "ok"
        self.agree(f"{self._name(member)} publishes {types}", answer, self.fleet.publish(*member.key, types))

    def tally_and_sweep(self, place: int, type_name: str, is_new: bool) -> None:
        member = self._member(place)
        member.tallies += is_new
        answer = word_of(lambda: member.supervisor.tally(member.tallies, Sums(type_name, {"succeeded": 1}, 1))) or "ok"
        wanted = self.fleet.tally(*member.key, member.tallies, type_name)
        self.agree(f"{self._name(member)} tallies {type_name}", answer, wanted)
        left = sum(self.shelf.trim(status, 200)[1] for status in ENDED)
        self.agree(f"{self._name(member)} sweeps", member.supervisor.sweep(), left)

    def repair(self, job_id: str, index: str) -> None:
        """There is never anything to mend."""
        repair = Repair(self.world.watched, self.world.keys, RETENTION)
        word = "removed" if job_id not in self.shelf.jobs else "agrees"
        mended = list(repair.mend([Flaw(Kind.MISFILED, job_id, index)]))
        self.agree(f"repair {job_id}", [one.mending for one in mended], [Mending(word)])

    # What time does.

    def let_time_pass(self, ms: int) -> None:
        self._advance(ms)
        self.agree(f"{ms} ms pass")

    def live_on(self, places: list[int]) -> None:
        """A lease passes, in which only these beat: so that the others die, and these may reap them."""
        living = list({member.key: member for member in map(self._member, places)}.values())
        for _ in range(LEASE_MS // BEAT_MS + 1):
            self._advance(BEAT_MS)
            for member in living:
                self._beat(member, [])

    def step_the_clock_back(self, ms: int) -> None:
        self._advance(-ms)
        self.agree(f"the clock steps {ms} ms back")

    # How both are compared.

    def agree(self, what: str, answer: object = None, wanted: object = None) -> None:
        """Fail unless both answered the same, and hold the same."""
        note(f"    {what}" + ("" if answer is None else f": {answer}"))
        assert answer == wanted, f"{what}: answered {answer}, expected {wanted}"
        holds, should = found(self.world.snapshot()), expected(self.shelf, self.clients, self.fleet)
        assert holds == should, f"{what}: Redis holds {changes(should, holds)}, the reference {changes(holds, should)}"
        flaws = Audit(self.world.watched, self.world.keys, RETENTION, most=None).run().flaws
        assert not flaws, f"{what}: jobs and indexes disagree: {flaws}"
        self._check_tokens(what)

    def _check_tokens(self, what: str) -> None:
        tokens = {job.id: job.token for job in self.shelf.jobs.values() if job.token is not None}
        fallen = [job_id for job_id, token in tokens.items() if token < self.tokens.get(job_id, 0)]
        assert not fallen, f"{what}: the tokens of {fallen} have become less"
        self.tokens = tokens

    def _advance(self, ms: int) -> None:
        self.world.advance(ms)
        self.shelf.now_ms = self.world.clock.now_ms

    def _member(self, place: int) -> Member:
        """Return the one at this place; those that may still write come first."""
        known = sorted(self.members, key=lambda one: self.fleet.refusal(*one.key) is not None)
        return known[place % len(known)]

    def _name(self, member: Member) -> str:
        return f"{member.supervisor.name} {self.members.index(member)}"

    def _attempts(self, member: Member, chosen: list[Any]) -> list[Any]:
        """Put an attempt into the place of each number: its own, held ones first, then what others have claimed."""
        own = sorted(member.attempts, key=lambda one: not self.shelf.is_held(*member.key, one.id, one.token))
        others = [one for other in self.members if other is not member for one in other.attempts]
        known = own + others
        return [(known[place % len(known)], *rest) for place, *rest in chosen] if known else []

    def _settle(self, attempted: Attempted, outcome: Outcome, final: bool, delay_ms: int, size: int) -> Settle:
        has_failed = outcome not in FREE and outcome is not Outcome.SUCCEEDED
        return Settle(
            attempted.id,
            attempted.token,
            outcome,
            max_attempts=2,
            max_crashes=2,
            final=final and has_failed,
            delay_ms=delay_ms,
            reason="not now" if outcome is Outcome.HELD else "",
            error=ErrorInfo("error", "it went wrong") if has_failed else None,
            result=b"null" if outcome is Outcome.SUCCEEDED else b"",
            detail=AttemptDetail() if has_failed else None,
            log=(LogChunk(0, 0, b"x" * size),) if size else (),
        )

    def _new_job(self, expires_in_ms: int | None = None, **options: Any) -> NewJob:
        expires_at_ms = None if expires_in_ms is None else self.shelf.now_ms + expires_in_ms
        return NewJob(**options, expires_at_ms=expires_at_ms)

    def _exchange(self, member: Member, settles: list[Any], wanted: list[str], queues: Sequence[str]) -> None:
        member.supervisor.calls += 1
        made = [self._settle(*settle) for settle in settles]
        asked = [Wanted(100 + number % 2, prefers) for number, prefers in enumerate(wanted)]
        member.calls.append((member.supervisor.calls, made, asked, queues))
        self._call(member, *member.calls[-1])

    def _call(
        self, member: Member, call: int, settles: list[Settle], wanted: list[Wanted], queues: Sequence[str]
    ) -> None:
        answer = word_of(lambda: member.supervisor.exchange(*settles, want=wanted, queues=queues, call=call))
        if not isinstance(answer, str):
            claims = [claim.attempted for claim in answer.claims]
            member.attempts += [one for one in claims if one not in member.attempts]
            answer = Exchanged(answer.next_due_ms, answer.words, claims)
        settled = ", ".join(f"{settle.id} {settle.outcome}" for settle in settles) or "nothing"
        told = f"{self._name(member)} exchanges as call {call}: settles {settled}; wants {len(wanted)}"
        self.agree(told, answer, self.fleet.exchange(*member.key, call, settles, wanted, queues))

    def _beat(self, member: Member, done: Sequence[Request]) -> None:
        answer = word_of(lambda: member.supervisor.beat(Roster(), *done))
        wanted = self.fleet.beat(*member.key, done)
        if not isinstance(answer, str):
            member.asked = answer.requests
            cancels = {cancel.attempted for cancel in answer.cancels}
            answer = Beaten(answer.running, answer.reap_in_ms, answer.reaped, cancels, answer.others)
        self.agree(f"{self._name(member)} beats", answer, wanted)
