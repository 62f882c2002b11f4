"""The supervisor's side of the store: one incarnation, from `register` to `leave`."""

from collections.abc import Sequence
from typing import Any, Final, Self

import msgspec
import redis.asyncio
from msgspec import Struct

from jobworker.store.catalogue import HandlerEntry, crash_budgets, fingerprints
from jobworker.store.claims import (
    Attempted,
    BeatAnswer,
    Cancel,
    Claim,
    ExchangeAnswer,
    Settle,
    Unreadable,
    Wanted,
    decode_attempts,
    decode_claim,
)
from jobworker.store.connection import translate, translated
from jobworker.store.errors import NameInUse, Reaped, StoreError, StoreMisconfigured, Superseded
from jobworker.store.keys import ALL_QUEUES, Keys
from jobworker.store.limits import MAX_BATCH_BYTES, MAX_BATCH_JOBS, MAX_QUEUES, MAX_SWEPT_JOBS, MAX_TAGS, MAX_TYPES
from jobworker.store.report import AttemptReport
from jobworker.store.request import Request
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.schema import SCHEMA
from jobworker.store.scripts import Argument, script
from jobworker.store.stats import Sums
from jobworker.store.wire import FOREIGN, Caller


class Terms(Struct, frozen=True):
    """What every call of an incarnation goes by."""

    lease_ms: int = 15_000
    #: Budgets of reaped jobs that have none of their own.
    max_attempts: int = 3
    max_crashes: int = 3
    retention: Retention = Retention()


class Registration(Struct, frozen=True):
    """Who registers: fields of the record that people read."""

    host: str
    pid: int
    version: str
    workers: int
    queues: str = ""
    #: ` type=max_crashes` of each type that declares it: for whoever reaps a job that has none of its own.
    crash_budgets: str = ""


class OldCall(StoreError):
    """The call is older than one that Redis has already answered; its connection was given up."""


class Incarnation:
    """One epoch of a supervisor's name.

    Every method raises Reaped or Superseded when the epoch may no longer write, StoreUnavailable when Redis is away.
    """

    def __init__(self, caller: Caller, keys: Keys, name: str, epoch: int, terms: Terms) -> None:
        self.name = name
        self.epoch = epoch
        self.terms = terms
        self._caller = caller
        self._keys = keys
        # Made once: each job ends with a call.
        self._head: Final[list[Argument]] = [keys.base, name, epoch]
        self._exchange_keys: Final = [
            *(keys.supervisor(name), keys.running(name, epoch), keys.meta, keys.queues),
            *(keys.scheduled, keys.expiring, keys.paused, keys.types, keys.tags),
        ]
        names = [MAX_QUEUES, MAX_TYPES, MAX_TAGS]
        self._exchange_limits: Final = [*terms.retention.arguments(), MAX_BATCH_BYTES, *names]

    @classmethod
    async def register(
        cls,
        caller: Caller,
        keys: Keys,
        name: str,
        who: Registration,
        terms: Terms,
        *,
        lock_id: str,
        number: int = 1,
        proofs: Sequence[str] = (),
    ) -> Self:
        """Begin an incarnation. Raises NameInUse while a living namesake is not proven dead.

        `number`: how many times this process has asked, this one included; by it a late copy of a call that was given
        up is told, which raises OldCall and does nothing.
        """
        fields = {**msgspec.to_builtins(who), "lease_ms": terms.lease_ms, "roster": msgspec.json.encode(Roster())}
        record = [item for field, value in fields.items() for item in (field, value)]
        reply = await _run(
            caller,
            "register",
            [keys.supervisor(name), keys.supervisors, keys.meta],
            [name, terms.lease_ms, lock_id, SCHEMA, number, len(proofs), *proofs, *record],
        )
        if reply[0] == b"old":
            raise OldCall
        if reply[0] == b"in_use":
            pid, host, left_ms = reply[1:]
            raise NameInUse(name, pid.decode(), host.decode(), int(left_ms))
        if reply[0] == b"schema":
            raise StoreMisconfigured(f"the data in Redis is of schema {reply[1].decode()}, this version knows {SCHEMA}")
        return cls(caller, keys, name, int(reply[1]), terms)

    def on(self, caller: Caller) -> Self:
        """Return the same incarnation on another connection."""
        return type(self)(caller, self._keys, self.name, self.epoch, self.terms)

    async def close(self) -> None:
        """Close the connection; the incarnation goes on."""
        await self._caller.aclose()

    async def publish(self, entries: Sequence[HandlerEntry], workers: int) -> None:
        """Tell which types can run here, and how many jobs at once: once registered, and when either has changed.

        A type that this name had published, also as an earlier incarnation, and nobody has any more, is forgotten.
        """
        arguments: list[Argument] = [*self._head, workers, fingerprints(entries), crash_budgets(entries)]
        for entry in entries:
            arguments += [entry.type, msgspec.json.encode(entry)]
        keys = [self._keys.supervisor(self.name), self._keys.handlers, self._keys.supervisors]
        await self._call("publish", keys, arguments)

    async def sweep(self) -> int:
        """Delete ended jobs that have been kept long enough, a bounded step; return how many are left to delete."""
        arguments = [self._keys.base, *self.terms.retention.arguments(), MAX_SWEPT_JOBS]
        return int(await _run(self._caller, "sweep", [self._keys.meta], arguments))

    async def exchange(
        self, call: int, settles: Sequence[Settle], wanted: Sequence[Wanted], queues: Sequence[str] = ()
    ) -> ExchangeAnswer:
        """Settle what ended and claim for idle workers, from `queues` or from all.

        A repeat must be the same in every byte: same call id, same arguments.
        """
        settled: list[Argument] = []
        asked: list[Argument] = []
        for settle in settles:
            settled += settle.arguments()
        for want in wanted:
            asked += [want.worker, want.prefers]
        arguments = [
            *(*self._head, call, *self._exchange_limits),
            *(len(settles), *settled, len(queues), *queues, len(wanted), *asked),
        ]
        reply = await self._call("exchange", self._exchange_keys, arguments)
        next_due_ms, words, rows = reply[1:]
        claims = [decode_claim(row) for row in rows]
        return ExchangeAnswer(
            next_due_ms=None if next_due_ms < 0 else int(next_due_ms),
            words=[word.decode() for word in words],
            claims=[claim for claim in claims if isinstance(claim, Claim)],
            unreadable=[claim for claim in claims if isinstance(claim, Unreadable)],
        )

    async def declared(self, types: Sequence[str]) -> dict[str, HandlerEntry]:
        """Return what the supervisors of the last seven days say of these types, as far as they know them."""
        values = await _run(self._caller, "declared", [self._keys.handlers], list(types))
        return {name: HandlerEntry.decode(value) for name, value in zip(types, values, strict=True) if value}

    async def report(self, reports: Sequence[AttemptReport]) -> list[str]:
        """Write down what running attempts tell of themselves, 200 of them or 4 MiB at most.

        Returns a word for each: `ok`, or `stale` or `missing` when nothing was written. Safe to repeat in any order.
        """
        assert len(reports) <= MAX_BATCH_JOBS
        flat = [argument for report in reports for argument in report.arguments()]
        keys = [self._keys.supervisor(self.name)]
        _, *words = await self._call("report", keys, [*self._head, len(reports), *flat])
        return [word.decode() for word in words]

    async def beat(self, roster: Roster, done: Sequence[Request] = ()) -> BeatAnswer:
        """Renew the lease, publish the roster, say which requests are done; reap one dead incarnation, if we may."""
        keys, terms = self._keys, self.terms
        acknowledged: list[Argument] = [item for request in done for item in (request.field, request.value)]
        reply = await self._call(
            "beat",
            [
                *(keys.supervisor(self.name), keys.supervisors, keys.running(self.name, self.epoch)),
                *(keys.cancels(self.name, self.epoch), keys.meta, keys.requests(self.name, self.epoch)),
            ],
            [
                *(*self._head, terms.lease_ms, *terms.retention.arguments()),
                *(terms.max_attempts, terms.max_crashes, msgspec.json.encode(roster), *acknowledged),
            ],
        )
        lease_ms, running, reap_in_ms, reaped, cancels, requests, others, fire_in_ms = reply[1:]
        return BeatAnswer(
            lease_ms=lease_ms,
            running=running,
            reap_in_ms=None if reap_in_ms < 0 else reap_in_ms,
            reaped=reaped,
            cancels=Cancel.decode(cancels),
            requests=Request.decode(requests),
            others=others,
            fire_in_ms=None if fire_in_ms < 0 else fire_in_ms,
        )

    async def keep_stack(self, attempted: Attempted, stack: str, missing: str = "") -> None:
        """Keep with a job the stack that was asked for, or why there is none, unless another holds it by now."""
        arguments: list[Argument] = [self.name, self.epoch, attempted.token, stack, missing]
        await _run(self._caller, "stack", [self._keys.job(attempted.id)], arguments)

    async def reconcile(self, call: int, held: Sequence[Attempted]) -> list[Attempted]:
        """Agree on what we hold; return what we list and no longer hold. Takes the place of an open exchange."""
        flat = [item for attempted in held for item in (attempted.id, attempted.token)]
        reply = await self._call(
            "reconcile",
            [self._keys.supervisor(self.name), self._keys.running(self.name, self.epoch)],
            [*self._head, call, *self.terms.retention.arguments(), len(held), *flat],
        )
        if int(reply[1]) != call:
            raise StoreError(f"Redis answered reconcile {call} with the answer of {int(reply[1])}")
        return decode_attempts(reply[2])

    async def tally(self, number: int, sums: Sequence[Sums]) -> None:
        """Add to the sums of this minute and hour; a repeat, with the same number, adds nothing."""
        flat = [item for one in sums for item in one.arguments()]
        arguments = [self._keys.base, self.epoch, number, MAX_TYPES, *flat]
        await self._call("tally", [self._keys.supervisor(self.name)], arguments)

    async def leave(self) -> int:
        """End the incarnation; return how many jobs had to be put back."""
        keys = self._keys
        reply = await self._call(
            "leave",
            [
                *(keys.supervisor(self.name), keys.supervisors),
                *(keys.running(self.name, self.epoch), keys.cancels(self.name, self.epoch)),
                keys.requests(self.name, self.epoch),
            ],
            [*self._head, *self.terms.retention.arguments()],
        )
        return int(reply[1])

    async def _call(self, name: str, keys: list[str], arguments: list[Argument]) -> Any:
        reply = await _run(self._caller, name, keys, arguments)
        if reply[0] != b"ok":
            raise _REFUSALS[reply[0]]
        return reply


_REFUSALS: dict[bytes, type[StoreError]] = {b"reaped": Reaped, b"superseded": Superseded, b"old": OldCall}


async def _run(caller: Caller, name: str, keys: list[str], arguments: list[Argument]) -> Any:
    try:
        return await script(name).run_async(caller, keys, arguments)
    except FOREIGN as error:
        raise translate(error) from error


#: What a supervisor writes into its own inbox to end its wait there.
IDLE = "idle"
#: How long an inbox is kept that nobody reads: as long as `lua/includes/hint.lua` keeps it.
INBOX_MS: Final = 60_000


class Hint(Struct, frozen=True):
    """A word from the inbox (`cancel`, `request`, `idle`), or the token of a wake list."""

    word: str
    wake: str | None


class Hints:
    """Listens to a supervisor's inbox and, while workers are idle, to the wake lists of its queues.

    Hints only: a lost one costs a poll, never a job.
    """

    def __init__(self, client: redis.asyncio.Redis, keys: Keys, name: str, queues: Sequence[str]) -> None:
        self._client = client
        self._inbox = keys.inbox(name)
        self._wakes = {keys.wake(queue): queue for queue in (queues or [ALL_QUEUES])}

    async def wait(self, *, idle: bool, seconds: float) -> Hint | None:
        """Return the next hint; None when nothing came in time."""
        lists = [self._inbox, *(self._wakes if idle else ())]
        with translated():
            found: Any = await self._client.blpop(lists, timeout=seconds)
        if found is None:
            return None
        name = found[0].decode()
        return Hint(word=found[1].decode(), wake=None if name == self._inbox else name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def push_back(self, wake: str) -> None:
        """Return a token that we cannot use, for somebody who can."""
        # Another may have come meanwhile: one is enough.
        await self._push(wake, "1", most=1)

    async def interrupt(self) -> None:
        """End a wait that goes on meanwhile."""
        # Who ends meanwhile does not read it any more, and may never come again under this name.
        await self._push(self._inbox, IDLE, most=10, keep_ms=INBOX_MS)

    async def _push(self, name: str, word: str, *, most: int, keep_ms: int | None = None) -> None:
        with translated():
            async with self._client.pipeline() as pipeline:
                pipeline.rpush(name, word)
                pipeline.ltrim(name, 0, most - 1)
                if keep_ms is not None:
                    pipeline.pexpire(name, keep_ms)
                await pipeline.execute()
