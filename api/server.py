"""The API's processes: one serves by itself; several are started, watched and ended by a parent that does only that."""

import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import setproctitle
import structlog

from jobworker.api.child import Child
from jobworker.api.errors import ApiError
from jobworker.api.listener import listen, listen_beside, make_room
from jobworker.api.process import ALONE, ONE_OF_SEVERAL, connect_store, run_process
from jobworker.api.traffic import Traffic
from jobworker.store.errors import StoreError
from jobworker.store.settings import ApiSettings, Settings
from jobworker.store.sizing import process_count, usable_cpus

#: More than `auto` starts on a large machine: Redis is busy with fewer.
MOST_BY_ITSELF: Final = 8
#: Nothing is due: a signal wakes us.
IDLE_SECONDS: Final = 3600.0

log = structlog.stdlib.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop and the end of what was in progress. Raises ApiError, StoreMisconfigured."""
    place = listen(settings.api, partial(has_keys, settings))
    # It warns of every request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    _raise_descriptor_limit()
    count = _count(settings.api)
    if count == 1:
        _pin(0)
        run_process(place, settings, ALONE, Traffic().row(0))
        return
    # A URL that is none is said here, once; no connection is made.
    connect_store(settings).close()
    Processes(place, settings, count).run()


class Processes:
    """Owns the processes that serve when there are several; it neither serves nor speaks to Redis.

    Told:   by signals: one has ended; drain; again: hurry.
    Tells:  its children, by signals.
    Ends:   when told to, and every child has ended.
    """

    def __init__(self, place: socket.socket, settings: Settings, count: int) -> None:
        self._place = place
        self._settings = settings
        self._children = [Child(number, partial(listen_beside, place), self._serve) for number in range(count)]
        self._traffic = Traffic(count)
        self._stopping = False
        orders: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            # A terminal that closes may send it twice.
            signal.SIGHUP: self._drain,
            signal.SIGQUIT: self._hurry,
        }
        # What was ignored when we were started (nohup, a script's background job) stays ignored.
        self._orders = {number: order for number, order in orders.items() if signal.getsignal(number) != signal.SIG_IGN}
        self._heard = {signal.SIGCHLD, *self._orders}

    def run(self) -> None:
        """Start the children, watch them until told to stop, and see them end."""
        # They stay blocked: what comes while the last child ends must not end us.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._heard)
        make_room(self._place)
        for child in self._children:
            child.start()
        while not self._stopping:
            self._turn(Child.tend, self._seconds_until_due())
        while any(child.runs for child in self._children):
            self._turn(Child.reap, IDLE_SECONDS)

    def _turn(self, look_after: Callable[[Child], object], seconds: float) -> None:
        taken = signal.sigtimedwait(self._heard, seconds)
        # In this order: one that is started here is told to stop, too.
        for child in self._children:
            look_after(child)
        if taken is not None and (order := self._orders.get(taken.si_signo)) is not None:
            order()

    def _stop(self) -> None:
        (self._hurry if self._stopping else self._drain)()

    def _drain(self) -> None:
        self._tell(signal.SIGTERM)

    def _hurry(self) -> None:
        self._tell(signal.SIGUSR1)

    def _tell(self, number: signal.Signals) -> None:
        self._stopping = True
        for child in self._children:
            child.signal(number)

    def _seconds_until_due(self) -> float:
        due = [child.due_at for child in self._children if child.due_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else IDLE_SECONDS

    def _serve(self, number: int, listener: socket.socket) -> None:
        """Be a child; this is called in its process."""
        self._place.close()
        setproctitle.setproctitle(f"jobworker api process {number}")
        _pin(number)
        run_process(listener, self._settings, ONE_OF_SEVERAL, self._traffic.row(number))


def has_keys(settings: Settings) -> bool:
    """Whether there are API keys, for all that can be known. Raises StoreMisconfigured for a URL that is none."""
    with contextlib.closing(connect_store(settings)) as store:
        try:
            return bool(store.api_keys.all())
        except StoreError as error:
            # It is started all the same: Redis may come later, and nobody is let in without a key.
            log.warning("it is not known whether there are API keys; requests need one", reason=str(error))
            return True


def _count(settings: ApiSettings) -> int:
    several_work = sys.platform == "linux"
    if settings.processes == "auto":
        return min(process_count("auto"), MOST_BY_ITSELF) if several_work else 1
    if settings.processes > 1 and not several_work:
        raise ApiError("several processes share a port on Linux only; use --processes 1")
    return settings.processes


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where the hard limit is infinite some systems refuse it as the soft one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _pin(number: int) -> None:
    """Keep this process on one CPU: its threads take turns anyway, and across CPUs they fight for the turn."""
    if hasattr(os, "sched_setaffinity"):
        cpus = usable_cpus()
        os.sched_setaffinity(0, {cpus[-1 - number % len(cpus)]})
