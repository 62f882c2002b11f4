"""The supervisors' side of the reference: what `Incarnation` must do and answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jobworker.store.claims import Attempted, Settle, Wanted
from jobworker.store.job import AttemptDetail, ErrorInfo
from jobworker.store.report import AttemptReport
from jobworker.store.request import Request
from jobworker.store.states import JobState, Outcome
from tests.model.store.clients import Clients
from tests.model.store.job import Job
from tests.model.store.shelf import Shelf


@dataclass
class Record:
    """The newest incarnation of a name, as its record shows it."""

    epoch: int = 0
    lease_end: int = 0
    lock_id: str = ""
    held_since: int = 0
    proven: bool = False
    last_call: int = 0
    last_words: list[str] = field(default_factory=list)
    last_claims: list[Attempted] = field(default_factory=list)
    last_tally: int = 0
    types: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exchanged:
    """What an exchange answers."""

    next_due_ms: int | None
    words: list[str]
    claims: list[Attempted]


@dataclass(frozen=True)
class Beaten:
    """What a beat answers, but for its length of lease and its requests."""

    running: int
    reap_in_ms: int | None
    reaped: int
    cancels: set[Attempted]
    others: int


class Fleet:
    """Everything that incarnations do to the shelf; a refusal is answered as a word."""

    def __init__(self, shelf: Shelf, clients: Clients, lease_ms: int) -> None:
        self._shelf = shelf
        self._clients = clients
        self._lease_ms = lease_ms
        self.records: dict[str, Record] = {}
        #: (name, epoch) -> when its lease ends; 0: its name was taken over. Whoever is reaped or leaves goes.
        self.members: dict[tuple[str, int], int] = {}
        #: (name, epoch) -> what is wanted -> the answer's value.
        self.requests: dict[tuple[str, int], dict[str, str]] = {}
        self.catalogue: set[str] = set()
        #: Attempts tallied, by type.
        self.tallied: dict[str, int] = {}
        self.last_beat = 0
        self.reap_after = 0

    @property
    def _now_ms(self) -> int:
        return self._shelf.now_ms

    def register(self, name: str, lock_id: str, proofs: Sequence[str]) -> int | str:
        """Return the new epoch, or `in_use`."""
        now_ms, old = self._now_ms, self.records.get(name, Record())
        is_proven = old.lock_id in proofs
        if old.lease_end > now_ms and not is_proven:
            return "in_use"
        if (name, old.epoch) in self.members:
            self.members[name, old.epoch] = 0
        epoch = max(old.epoch + 1, now_ms * 1000)
        lease_end = now_ms + self._lease_ms
        self.records[name] = Record(epoch, lease_end, lock_id, now_ms, is_proven, types=old.types)
        self.members[name, epoch] = lease_end
        return epoch

    def refusal(self, name: str, epoch: int) -> str | None:
        record = self.records[name]
        if record.lease_end == 0:
            return "reaped"
        if record.epoch == epoch:
            return None
        return "superseded" if record.lease_end > self._now_ms and record.epoch > epoch else "reaped"

    def exchange(
        self,
        name: str,
        epoch: int,
        call: int,
        settles: Sequence[Settle],
        wanted: Sequence[Wanted],
        queues: Sequence[str],
    ) -> Exchanged | str:
        """Settle, make due, claim; or answer a call again."""
        if refused := self.refusal(name, epoch):
            return refused
        record = self.records[name]
        if call < record.last_call:
            return "old"
        if call == record.last_call:
            held = [one for one in record.last_claims if self._shelf.is_held(name, epoch, one.id, one.token)]
            return Exchanged(self._shelf.due_in_ms(), record.last_words, held)
        words = self._shelf.settle_all(name, epoch, settles)
        self._shelf.promote()
        next_due_ms = self._shelf.due_in_ms()
        self._shelf.expire()
        may_claim = record.lease_end > self._now_ms
        claims = self._claim(name, epoch, wanted, queues) if may_claim else []
        record.last_call, record.last_words, record.last_claims = call, words, claims
        return Exchanged(next_due_ms, words, claims)

    def _claim(self, name: str, epoch: int, wanted: Sequence[Wanted], queues: Sequence[str]) -> list[Attempted]:
        claims: list[Attempted] = []
        given: set[int] = set()
        for want in wanted:
            job = self._next_job(want, queues)
            if job is None:
                break
            job.status, job.owner, job.epoch, job.worker = JobState.RUNNING, name, epoch, want.worker
            is_ahead = want.worker in given
            given.add(want.worker)
            if is_ahead and job.ahead is None:
                job.ahead = 1
            elif job.ahead and not is_ahead:
                job.ahead = None
            job.progress_ms = job.progress_ms if job.token is None else None
            job.token = max((job.token or 0) + 1, self._now_ms * 1000)
            job.started_ms, job.attempt = self._now_ms, job.spent + 1
            claims.append(Attempted(job.id, job.token))
        return claims

    def _next_job(self, want: Wanted, queues: Sequence[str]) -> Job | None:
        paused = self._clients.paused
        served = {queue for queue in queues or self._shelf.queues if queue not in paused and "*" not in paused}
        ready = [job for job in self._shelf.of_status(JobState.PENDING) if job.queue in served]
        preferred = [job for job in ready if job.queue == want.prefers]
        return min(preferred or ready, key=lambda job: job.score, default=None)

    def reconcile(self, name: str, epoch: int, call: int, held: Sequence[Attempted]) -> list[Attempted] | str:
        """Return what is listed and no longer held."""
        if refused := self.refusal(name, epoch):
            return refused
        record, shelf = self.records[name], self._shelf
        if call < record.last_call:
            return "old"
        record.last_call, record.last_words, record.last_claims = call, [], []
        foreign = [one for one in held if not shelf.is_held(name, epoch, one.id, one.token)]
        kept = set(held)
        unlisted = [job for job in shelf.held_by(name, epoch) if Attempted(job.id, job.token or 0) not in kept]
        shelf.settle_all(name, epoch, [_put_back(job, Outcome.RECALLED) for job in unlisted])
        return foreign

    def leave(self, name: str, epoch: int) -> int | str:
        """Return how many jobs are put back."""
        if refused := self.refusal(name, epoch):
            return refused
        held = self._shelf.held_by(name, epoch)
        self._shelf.settle_all(name, epoch, [_put_back(job, Outcome.SHUTDOWN) for job in held])
        self.records[name].lease_end = 0
        self._forget(name, epoch)
        return len(held)

    def beat(self, name: str, epoch: int, done: Iterable[Request] = ()) -> Beaten | str:
        """Renew the lease, reap one dead incarnation, drop the requests that are `done`."""
        if refused := self.refusal(name, epoch):
            return refused
        record, now_ms = self.records[name], self._now_ms
        if record.lease_end <= now_ms:
            record.held_since = now_ms
        record.lease_end = self.members[name, epoch] = now_ms + self._lease_ms
        if now_ms - self.last_beat > self._lease_ms / 2:
            self.reap_after = now_ms + self._lease_ms
        self.last_beat = now_ms
        reaped, reap_in_ms = self._reap_one(name, epoch)
        mine = self.requests.get((name, epoch), {})
        for request in done:
            if mine.get(request.field) == request.value:
                del mine[request.field]
        held = self._shelf.held_by(name, epoch)
        cancels = {Attempted(job.id, job.token or 0) for job in held if job.cancel_requested_ms is not None}
        others = sum(lease_end > now_ms for lease_end in self.members.values()) - 1
        return Beaten(len(held), reap_in_ms, reaped, cancels, others)

    def _reap_one(self, name: str, epoch: int) -> tuple[int, int | None]:
        """Return how many jobs are reaped, and when there may be more to reap."""
        reaped, waits = 0, []
        members = sorted(self.members, key=lambda member: (self.members[member], f"{member[0]}:{member[1]}"))
        for other in members:
            at = self._reapable_at(name, epoch, other)
            if other == (name, epoch):
                continue
            if at <= self._now_ms and not reaped:
                reaped = self._reap(*other)
            else:
                waits.append(max(at - self._now_ms, 0))
        return reaped, min(waits, default=None)

    def _reapable_at(self, name: str, epoch: int, other: tuple[str, int]) -> int:
        record = self.records[name]
        is_own_past = other[0] == name and record.proven and other[1] < epoch
        may_reap_at = 0 if is_own_past else max(self.reap_after, record.held_since + self._lease_ms)
        return max(self.members[other], may_reap_at)

    def _reap(self, name: str, epoch: int) -> int:
        record, held = self.records[name], self._shelf.held_by(name, epoch)
        if record.epoch == epoch:
            record.lease_end = 0
        self._shelf.settle_all(name, epoch, [_lost(job) for job in held])
        self._forget(name, epoch)
        return len(held)

    def _forget(self, name: str, epoch: int) -> None:
        del self.members[name, epoch]
        self.requests.pop((name, epoch), None)

    def report(self, name: str, epoch: int, reports: Sequence[AttemptReport]) -> list[str] | str:
        """Return a word for each."""
        return self.refusal(name, epoch) or [self._report(name, epoch, report) for report in reports]

    def _report(self, name: str, epoch: int, report: AttemptReport) -> str:
        job = self._shelf.jobs.get(report.id)
        if job is None:
            return "missing"
        if not self._shelf.is_held(name, epoch, report.id, report.token):
            return "stale"
        if report.progress is not None:
            job.progress_ms = self._now_ms
        for chunk in report.chunks:
            job.print(chunk.at, len(chunk.data))
        return "ok"

    def keep_stack(self, name: str, epoch: int, attempted: Attempted, stack: str) -> None:
        if self._shelf.is_held(name, epoch, attempted.id, attempted.token):
            self._shelf.jobs[attempted.id].stack = stack

    def request(self, name: str, wanted: str, what: str) -> bool:
        """Ask the newest incarnation of a name; return whether it lives."""
        record = self.records.get(name)
        if record is None or record.lease_end <= self._now_ms:
            return False
        of_name = self.requests.setdefault((name, record.epoch), {})
        of_name[wanted] = f"{self._now_ms * 1000} {what}"
        return True

    def publish(self, name: str, epoch: int, types: Sequence[str]) -> str:
        if refused := self.refusal(name, epoch):
            return refused
        living = {other for (other, _), lease_end in self.members.items() if lease_end > self._now_ms}
        kept = {known for other in living - {name} for known in self.records[other].types} | set(types)
        record = self.records[name]
        self.catalogue = self.catalogue - (set(record.types) - kept) | set(types)
        record.types = list(types)
        return "ok"

    def tally(self, name: str, epoch: int, number: int, type_name: str) -> str:
        """Count one attempt."""
        if refused := self.refusal(name, epoch):
            return refused
        record = self.records[name]
        if number > record.last_tally:
            record.last_tally = number
            self.tallied[type_name] = self.tallied.get(type_name, 0) + 1
        return "ok"


def _put_back(job: Job, outcome: Outcome) -> Settle:
    return Settle(job.id, job.token or 0, outcome, max_attempts=1, max_crashes=1)


def _lost(job: Job) -> Settle:
    error, detail = ErrorInfo("lost", "its supervisor was lost"), AttemptDetail()
    return Settle(job.id, job.token or 0, Outcome.LOST, max_attempts=3, max_crashes=3, error=error, detail=detail)
