"""The supervisor: puts its actors together, answers signals, and begins anew when its jobs were taken from it."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Coroutine, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import setproctitle
import structlog

from jobworker.handlers.builtin.webhook import Webhooks
from jobworker.store.catalogue import crash_budgets
from jobworker.store.claims import Attempted
from jobworker.store.connection import connect_wire
from jobworker.store.errors import NameInUse, Reaped, StoreError, StoreMisconfigured, Superseded
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.keys import Keys
from jobworker.store.settings import Settings, SupervisorSettings
from jobworker.store.sizing import process_count
from jobworker.store.states import Outcome
from jobworker.supervisor.beacon import Beacon
from jobworker.supervisor.beatfile import BeatFile
from jobworker.supervisor.breaker import Breaker
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.echo import Echo
from jobworker.supervisor.errors import SupervisorError
from jobworker.supervisor.files import beat_file
from jobworker.supervisor.lifespan import LifespanLimits
from jobworker.supervisor.lock import NameLock
from jobworker.supervisor.loop import SupervisorLoop
from jobworker.supervisor.notify import Notifier
from jobworker.supervisor.output import Output
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.predecessors import TREE, end_trees, mark_forks
from jobworker.supervisor.process import Forker, become_subreaper, raise_open_files
from jobworker.supervisor.procfs import has_terminal
from jobworker.supervisor.roster import RosterKeeper
from jobworker.supervisor.session import Session
from jobworker.supervisor.slots import Restarts
from jobworker.supervisor.stale import StaleWrites
from jobworker.supervisor.tree import Killer
from jobworker.supervisor.trouble import Trouble
from jobworker.supervisor.verdict import Intent
from jobworker.supervisor.worker import worker_body

log = structlog.get_logger("jobworker.supervisor")

FIRST_RETRY_SECONDS: Final = 0.1
LONGEST_RETRY_SECONDS: Final = 2.0
#: How long past the grace period the last settles may take before the supervisor ends without having delivered them.
DELIVERY_SECONDS: Final = 5.0


def run(settings: Settings) -> int:
    """Run one supervisor until it is told to stop; return its exit code.

    Raises SupervisorError or StoreError, each with one sentence, when it cannot start or go on.
    """
    # First of all: whatever is started from here on must not find them.
    notifier = Notifier.from_environment(os.environ)
    lock = NameLock.acquire(Path(settings.state.dir), settings.supervisor.name)
    end_trees(settings.supervisor.name, lock.proofs)
    mark_forks(lock.id)
    setproctitle.setproctitle(f"jobworker supervisor {settings.supervisor.name} starting")
    become_subreaper()
    # What was imported stays. Looking through it for garbage would make the loop wait, and write to every page of it,
    # which workers share with us only until somebody writes.
    gc.freeze()
    with asyncio.Runner(loop_factory=SupervisorLoop) as runner:
        return runner.run(_run(settings, lock, notifier))


async def _run(settings: Settings, lock: NameLock, notifier: Notifier) -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SupervisorLoop)
    supervisor = Supervisor(settings, lock, notifier, loop)
    try:
        return await supervisor.run()
    finally:
        # What is killed now says so while the loop closes, which closes the pipe for signals first.
        loop.remove_signal_handler(signal.SIGCHLD)
        supervisor.kill_everything()


class Supervisor:
    """Owns the actors of this process.

    Told:   signals.
    Tells:  the pool and the session, to start and to end.
    Ends:   when drained, superseded, or when an actor failed.
    """

    def __init__(self, settings: Settings, lock: NameLock, notifier: Notifier, loop: SupervisorLoop) -> None:
        self._settings = settings
        self._lock = lock
        self._loop = loop
        self._killer = Killer()
        self._output = _output(loop, settings.supervisor)
        self._pool = self._make_pool()
        mine = settings.supervisor
        self._breaker = Breaker(mine.type_max_crashes, mine.type_crash_window)
        self._stale = StaleWrites()
        self._roster = RosterKeeper(self._pool, self._breaker, loop.lag, self._stale)
        self._keys = Keys(settings.redis.prefix)
        self._session: Session | None = None
        #: How many times we have asked to be registered.
        self._registrations = 0
        self._registering = Trouble("jobworker.supervisor")
        file = BeatFile(beat_file(Path(settings.state.dir), settings.supervisor.name))
        self._beacon = Beacon(file, notifier, self._what_is_the_matter)
        self._beacon.show = self._show_title
        self._pool.reload_ended = self._beacon.reloaded
        self._had_terminal = has_terminal()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._failed: asyncio.Future[None] = loop.create_future()

    def _make_pool(self) -> Pool:
        mine = self._settings.supervisor
        limits = LifespanLimits(mine.worker_max_jobs, mine.worker_max_age, mine.worker_max_rss_mb)
        tree = {TREE: f"{mine.name}:{self._lock.id}"}
        hooks = self._settings.webhooks
        webhooks = Webhooks(hooks.secret, hooks.allow_unsigned, hooks.allow_private)
        body = worker_body(
            *(mine.handlers, mine.name, limits, tree), keep_leftovers=mine.leftovers == "keep", webhooks=webhooks
        )
        forker = Forker(body, keep={self._lock.descriptor}, open_files=raise_open_files())
        return Pool(
            *(process_count(mine.workers), mine.spares, forker.fork, self._killer, self._loop),
            restarts=Restarts(mine.max_restarts, mine.max_restarts_within),
            start_timeout_seconds=mine.start_timeout,
        )

    async def run(self) -> int:
        """Serve until drained; return the exit code."""
        self._answer_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                killing = tasks.create_task(self._killer.run())
                failing = tasks.create_task(self._raise_failure())
                beaming = tasks.create_task(self._beacon.run())
                desk = Desk(
                    self._pool, self._killer, self._loop, self._settings.jobs, self._output, self._breaker, self._spawn
                )
                exit_code = await self._serve(desk)
                await self._close_pool()
                for task in (failing, killing, beaming):
                    task.cancel()
        except* (SupervisorError, StoreError) as group:
            raise _first(group) from None
        self._beacon.put_out()
        return exit_code

    def kill_everything(self) -> None:
        """Kill every worker's tree, whatever state the loop is in."""
        self._pool.kill_all_now()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(coroutine)
        except RuntimeError:
            # The group is ending because an actor failed: nobody waits for this any more.
            coroutine.close()

    def _answer_signals(self) -> None:
        answers = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self._hang_up,
            signal.SIGQUIT: self._hurry,
            signal.SIGTTIN: self._add_worker,
            signal.SIGTTOU: self._remove_worker,
        }
        for number, answer in answers.items():
            # What was ignored when we were started (nohup, a script's background job) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, answer)
        self._loop.add_signal_handler(signal.SIGCHLD, self._pool.reap_orphans)
        self._loop.set_exception_handler(self._note_failure)

    def _stop(self) -> None:
        (self._hurry if self._stopping.is_set() else self._begin_drain)()

    def _hang_up(self) -> None:
        # A terminal that closes takes itself away from its processes before it says so; who is left a terminal, or
        # never had one, is asked by a person or a service manager.
        if self._had_terminal and not has_terminal():
            self._begin_drain()
        elif not self._stopping.is_set():
            self._beacon.reloading()
            self._pool.reload()

    def _show_title(self) -> None:
        doing = ", draining" if self._stopping.is_set() else ""
        busy = f"{self._pool.busy}/{self._pool.size} busy"
        setproctitle.setproctitle(f"jobworker supervisor {self._settings.supervisor.name} {busy}{doing}")

    def _begin_drain(self) -> None:
        # A terminal that closes may send SIGHUP twice, once through its shell: the second one is no hurry.
        self._stopping.set()
        self._beacon.draining()

    def _hurry(self) -> None:
        log.info("hurrying: running jobs are killed and put back")
        self._hurrying.set()
        self._begin_drain()

    def _add_worker(self) -> None:
        self._pool.resize(self._pool.size + 1)

    def _remove_worker(self) -> None:
        self._pool.resize(max(self._pool.size - 1, 1))

    def _note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of an actor failed: let it crash. Nothing is lost, and whoever supervises us starts us again."""
        if not self._failed.done():
            self._failed.set_exception(context.get("exception") or SupervisorError(context["message"]))

    async def _raise_failure(self) -> None:
        await self._failed

    async def _serve(self, desk: Desk) -> int:
        self._pool.start()
        if not await self._unless_stopped(asyncio.shield(self._pool.first_hello)):
            return 0
        while (incarnation := await self._register()) is not None:
            self._session = Session(
                *(incarnation, self._settings, self._pool, desk, self._output, self._roster, self._stale, self._keys),
                drain_all=self._begin_drain,
                spawn=self._spawn,
            )
            self._beacon.registered()
            self._tell_ready(incarnation)
            try:
                return await self._drain_when_told(self._session)
            except* Reaped:
                log.warning("redis does not know us any more: our lease had ended, or its data is gone; beginning anew")
                await self._forget_everything(desk, self._session.held())
            except* Superseded:
                raise SupervisorError(
                    f"another process has taken over the name {incarnation.name}; it goes on"
                ) from None
        return 0

    def _tell_ready(self, incarnation: Incarnation) -> None:
        log.info(
            "ready",
            name=incarnation.name,
            epoch=incarnation.epoch,
            workers=self._pool.size,
            types=sorted(self._pool.catalogue),
            queues=self._settings.supervisor.queues or "all",
        )

    def _what_is_the_matter(self) -> str:
        return self._registering.reason or ("" if self._session is None else self._session.trouble)

    async def _register(self) -> Incarnation | None:
        """Register, however long Redis is away; None if told to stop meanwhile."""
        wait_seconds = FIRST_RETRY_SECONDS
        waited_for_lease = False
        while True:
            try:
                incarnation = await self._register_once()
                self._registering.over()
            except NameInUse as error:
                # Dead without proof, perhaps on another host: its lease will end. Alive: it will have been renewed.
                if waited_for_lease:
                    raise
                waited_for_lease = True
                wait_seconds = error.lease_left_ms / 1000 + 0.05
                log.info("waiting for the lease of a namesake to end", why=str(error), seconds=round(wait_seconds, 1))
            except StoreError as error:
                # Who starts it is told at once what is wrong. Who has worked here before waits until it is mended.
                if isinstance(error, StoreMisconfigured) and self._session is None:
                    raise
                self._registering.met("cannot register; trying again until it works", error)
            else:
                return incarnation
            if not await self._unless_stopped(asyncio.sleep(wait_seconds)):
                return None
            wait_seconds = min(2 * wait_seconds, LONGEST_RETRY_SECONDS)

    async def _register_once(self) -> Incarnation:
        settings, mine = self._settings, self._settings.supervisor
        who = Registration(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("jobworker"),
            workers=self._pool.size,
            queues=" ".join(mine.queues),
            crash_budgets=crash_budgets(self._pool.catalogue.values()),
        )
        terms = Terms(
            round(mine.lease * 1000), settings.jobs.max_attempts, settings.jobs.max_crashes, settings.jobs.retention
        )
        # Our own id is a proof too: a register whose answer was lost, or our own incarnation that was reaped.
        proofs = [self._lock.id, *self._lock.proofs]
        self._registrations += 1
        caller = connect_wire(settings.redis.url, timeout_seconds=settings.redis.timeout)
        try:
            incarnation = await Incarnation.register(
                caller,
                self._keys,
                mine.name,
                who,
                terms,
                lock_id=self._lock.id,
                number=self._registrations,
                proofs=proofs,
            )
            self._lock.registered()
            await incarnation.publish(list(self._pool.catalogue.values()), self._pool.size)
        except BaseException:
            await caller.aclose()
            raise
        return incarnation

    async def _unless_stopped(self, awaitable: Any) -> bool:
        """Await it and return True; False when told to stop first."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(awaitable)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
            return waiting.done()
        finally:
            # Also when we are cancelled ourselves: nobody else would end them.
            stopping.cancel()
            waiting.cancel()

    async def _drain_when_told(self, session: Session) -> int:
        """Run a session; on SIGTERM let running jobs end for the grace period, then put them back."""
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(session.run())
            draining = tasks.create_task(self._drain(session))
            await serving
            draining.cancel()
        return 1 if session.undelivered else 0

    async def _drain(self, session: Session) -> None:
        await self._stopping.wait()
        grace_seconds = self._settings.supervisor.grace
        log.info("draining", running=session.running, grace_seconds=grace_seconds)
        session.drain()
        timer = self._loop.call_later(grace_seconds, self._hurrying.set)
        await self._hurrying.wait()
        timer.cancel()
        session.hurry(Intent(Outcome.SHUTDOWN, "because the supervisor stops"))
        if session.undelivered:
            log.warning("waiting for redis to take results", results=session.undelivered, seconds=DELIVERY_SECONDS)
        await asyncio.sleep(DELIVERY_SECONDS)
        session.give_up()

    async def _forget_everything(self, desk: Desk, held: Iterable[Attempted]) -> None:
        for attempted in held:
            self._stale.refused(attempted, "reaped")
        desk.drop(desk.held())
        await desk.wait_until_empty()

    async def _close_pool(self) -> None:
        self._pool.close()
        await self._pool.wait_until_empty()


def _output(loop: SupervisorLoop, mine: SupervisorSettings) -> Output:
    return Output(loop, Echo() if mine.echo_output else None, keep=mine.keep_output)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
