"""One incarnation at work: the actors that live and end with it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from jobworker.store.claims import Attempted
from jobworker.store.connection import answers_ping, connect_async, connect_shared_wire, connect_wire
from jobworker.store.errors import Reaped, StoreError
from jobworker.store.incarnation import Hints, Incarnation
from jobworker.store.keys import Keys
from jobworker.store.schedules import Dial
from jobworker.store.settings import Settings
from jobworker.supervisor.clock import RedisClock
from jobworker.supervisor.clockwork import Clockwork
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.exchange import Exchange
from jobworker.supervisor.hints import WAIT_SECONDS, Listener
from jobworker.supervisor.lease import Lease
from jobworker.supervisor.output import Output
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.reporter import Reporter
from jobworker.supervisor.requests import Requests
from jobworker.supervisor.roster import RosterKeeper
from jobworker.supervisor.routes import Routes
from jobworker.supervisor.stale import StaleWrites
from jobworker.supervisor.tally import Tally
from jobworker.supervisor.ticks import until_tick
from jobworker.supervisor.turns import Turns
from jobworker.supervisor.verdict import Intent
from jobworker.supervisor.watchdog import Watchdog

log = structlog.get_logger("jobworker.session")

#: How often the catalogue is published anew.
PUBLISH_SECONDS: Final = 3600.0
#: The wait after it could not be.
PUBLISH_AGAIN_SECONDS: Final = 1.0
#: How often ended jobs are swept; while some are left, how soon again.
SWEEP_SECONDS: Final = 10.0
SWEEP_ON_SECONDS: Final = 0.1
#: How long a cancelled task may take before it is cancelled again.
CANCEL_AGAIN_SECONDS: Final = 0.05


class Session:
    """Owns the lease, the exchange and the hints of one incarnation.

    Told:   drain, hurry, give up (by the supervisor).
    Ends:   when drained and left; with Reaped or Superseded when the incarnation is over.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        settings: Settings,
        pool: Pool,
        desk: Desk,
        output: Output,
        roster: RosterKeeper,
        stale: StaleWrites,
        keys: Keys,
        *,
        drain_all: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        mine, url, timeout = settings.supervisor, settings.redis.url, settings.redis.timeout
        self._desk = desk
        self._pool = pool
        self._incarnation = incarnation
        turns = Turns(mine.queues)
        # Each on a connection of its own: a beat never waits behind an exchange, nor either behind a blocking wait.
        self._beating = incarnation.on(connect_wire(url, timeout_seconds=timeout))
        # The housekeepers know nothing of each other. One connection is enough for them: none of them is in a hurry.
        self._keeping = incarnation.on(connect_shared_wire(url, timeout_seconds=timeout))
        waiting = connect_async(url, timeout_seconds=timeout, block_seconds=WAIT_SECONDS)
        self._hints = Hints(waiting, keys, mine.name, turns.queues)
        clock = RedisClock(incarnation.epoch)
        output.clock_ms = clock.now_ms
        self._reporter = Reporter(self._keeping, output, stale.refused)
        self._lease = Lease(self._beating, mine.beat, pool.set_fence, partial(roster.write, clock))
        self._exchange = Exchange(incarnation, pool, desk, self._lease, turns, mine.poll)
        self._listener = Listener(
            self._hints,
            has_idle=self._exchange.wants_more,
            wake=self._exchange.poke,
            inbox=self._lease.hint,
        )
        self._watchdog = Watchdog(self._exchange, partial(answers_ping, url, timeout_seconds=timeout), mine.lease)
        self._tally = Tally(self._keeping.tally)
        self._lease.cancel = desk.cancel
        self._lease.fence_attempts = partial(desk.fence, mine.self_fence)
        self._lease.requests = Requests(
            take_stack=desk.take_stack,
            keep_stack=self._keeping.keep_stack,
            resize=pool.resize,
            drain=drain_all,
            spawn=spawn,
        )
        self._exchange.refused = stale.refused
        self._exchange.complete = Routes(lambda: pool.catalogue, incarnation.declared, settings.jobs).complete
        self._dial = Dial(connect_wire(url, timeout_seconds=timeout), keys, incarnation.terms.retention)
        routes = Routes(lambda: pool.catalogue, self._keeping.declared, settings.jobs)
        self._clockwork = Clockwork(self._dial, routes.decide)
        self._introduce()

    def _introduce(self) -> None:
        """Let the actors that this session has made know each other."""
        self._lease.last_call = self._exchange.last_call
        self._lease.compare = self._exchange.compare
        self._exchange.stayed_idle = self._listener.idle
        self._lease.expect = self._clockwork.expect
        self._exchange.settled = self._tally.settled

    @property
    def running(self) -> int:
        """How many attempts are in hand."""
        return len(self._desk.held())

    def held(self) -> list[Attempted]:
        """Return every attempt whose end Redis has not taken."""
        return self._exchange.held()

    @property
    def trouble(self) -> str:
        """Why nothing can be exchanged with Redis, or the lease not be renewed; empty: all is well."""
        return self._exchange.trouble or self._lease.trouble

    @property
    def undelivered(self) -> int:
        """How many ended attempts Redis does not know of."""
        return self._exchange.unsettled

    async def run(self) -> None:
        """Work until drained."""
        self._desk.settle = self._exchange.settle
        self._desk.poke = self._exchange.poke
        try:
            async with asyncio.TaskGroup() as tasks:
                actors = (
                    self._lease.run,
                    self._lease.guard,
                    self._listener.run,
                    self._watchdog.run,
                    self._reporter.run,
                    self._publish_again,
                    self._sweep_again,
                    self._tally.run,
                    self._clockwork.run,
                )
                others = [tasks.create_task(run()) for run in actors]
                try:
                    await self._exchange.run()
                finally:
                    # Before we leave: a beat that came after it would find that we are reaped.
                    await _end(others)
                await self._leave()
        finally:
            for connected in (self._incarnation, self._beating, self._keeping, self._hints, self._dial):
                await connected.close()

    def drain(self) -> None:
        """Claim nothing more; end when what runs has ended."""
        self._exchange.drain()

    def hurry(self, intent: Intent) -> None:
        """Kill what still runs and put it back."""
        self._desk.end_all(intent)

    def give_up(self) -> None:
        """End although Redis cannot be told what happened."""
        log.error("redis is away: results are not delivered, their jobs will run again", results=self.undelivered)
        self._exchange.give_up()

    async def _publish_again(self) -> None:
        """Tell what has changed, and keep our types known: what nobody has published for seven days is forgotten."""
        changed, wait_seconds = self._pool.offer_changed, PUBLISH_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), wait_seconds)
            changed.clear()
            try:
                await self._keeping.publish(list(self._pool.catalogue.values()), self._pool.size)
            except StoreError:
                wait_seconds = PUBLISH_AGAIN_SECONDS
            else:
                wait_seconds = PUBLISH_SECONDS

    async def _sweep_again(self) -> None:
        """Delete what has been kept long enough, also while nothing ends."""
        while True:
            left = 0
            self._desk.look_around()
            # What cannot be swept now can be later.
            with suppress(StoreError):
                left = await self._keeping.sweep()
            await asyncio.sleep(SWEEP_ON_SECONDS if left else until_tick(SWEEP_SECONDS))

    async def _leave(self) -> None:
        await self._tally.hand_over()
        try:
            put_back = await self._incarnation.leave()
        except Reaped:
            # Also the answer to a second `leave`, when the reply to the first was lost.
            log.info("left", forgotten_jobs_put_back=0)
        except StoreError as error:
            log.warning("could not leave; our lease will end by itself", error=str(error))
        else:
            log.info("left", forgotten_jobs_put_back=put_back)


async def _end(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel until they end: a cancellation that meets redis-py while it connects or times out can be swallowed."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_SECONDS)
