"""Serves the application on waitress until told to stop, then lets answers in progress end."""

import contextlib
import logging
import os
import resource
import select
import signal
import socket
import time
from threading import Thread
from typing import Any, Final, cast

import structlog
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from jobworker.api.app import App, create_app
from jobworker.api.availability import Availability
from jobworker.api.channel import Channel
from jobworker.api.listener import listen
from jobworker.store.connection import connect
from jobworker.store.errors import StoreError
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.limits import MIB
from jobworker.store.settings import ApiSettings, Settings

#: Idle keep-alive connections count, too.
CONNECTION_LIMIT: Final = 2000
#: Bodies and answers that are smaller stay in memory: a container may have no place for temporary files.
BUFFER_BYTES: Final = 4 * MIB

log = structlog.stdlib.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT and the end of what was in progress. Raises ApiError, StoreMisconfigured.

    Redis may be away: then requests are answered with 503 until it comes.
    """
    listener = listen(settings.api)
    # It warns of every request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    _raise_descriptor_limit()
    _pin_to_one_cpu()
    store = _connect(settings)
    available = Availability(store.check_writable)
    server = Server(create_app(store, available, settings), listener, settings.api)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port)
    Thread(target=_look_at_redis, args=(store, available), name="redis-first-look", daemon=True).start()
    server.run()
    available.close()
    store.close()


class Server:
    """Owns waitress's loop, its threads and the listening socket.

    Told:   `stop` (by a signal; a second one ends the patience).
    Ends:   when every answer in progress has been sent, or the grace is over.
    """

    def __init__(self, app: App, listener: socket.socket, settings: ApiSettings) -> None:
        self._listener = listener
        self._grace_seconds = settings.grace
        self._stops = 0
        #: What waitress watches: the listener, its trigger, the channels.
        self._map: dict[int, Any] = {}
        self._waitress = cast("BaseWSGIServer", create_server(app, map=self._map, **_adjustments(listener, settings)))
        self._waitress.channel_class = Channel

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stops:
            self._turn(1.0)
        log.info("draining", grace_seconds=self._grace_seconds)
        self._drain()
        log.info("stopped")

    def stop(self) -> None:
        """Take nothing new and end; called again: end now. Safe in a signal handler."""
        self._stops += 1
        if self._stops == 1:
            self._waitress.pull_trigger()

    def _drain(self) -> None:
        deadline = time.monotonic() + self._grace_seconds
        self._accept_pending()
        # Not the server's own `close`: it would take the trigger along, by which threads wake the loop.
        wasyncore.dispatcher.close(self._waitress)
        for channel in self._channels():
            channel.draining = True
        self._turn(0.0)
        while self._stops == 1 and time.monotonic() < deadline and any(channel.busy for channel in self._channels()):
            self._turn(0.05)
        self._waitress.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def _accept_pending(self) -> None:
        # Closing the socket resets connections that wait on it, and their clients have perhaps sent already.
        while select.select([self._listener], [], [], 0)[0]:
            self._waitress.handle_accept()

    def _turn(self, timeout_seconds: float) -> None:
        wasyncore.loop(timeout=timeout_seconds, use_poll=True, map=self._map, count=1)

    def _channels(self) -> list[Channel]:
        return [entry for entry in self._map.values() if isinstance(entry, Channel)]


def _adjustments(listener: socket.socket, settings: ApiSettings) -> dict[str, Any]:
    return {
        "sockets": [listener],
        "threads": settings.threads,
        "connection_limit": CONNECTION_LIMIT,
        "asyncore_use_poll": True,
        "channel_request_lookahead": 1,
        "channel_timeout": 60,
        "cleanup_interval": 10,
        "max_request_body_size": 17 * MIB,
        "inbuf_overflow": BUFFER_BYTES,
        "outbuf_overflow": BUFFER_BYTES,
        "ident": None,
    }


def _connect(settings: Settings) -> JobStore:
    # A thread without a connection would count as an outage: every thread has one, the probes two.
    client = connect(
        settings.redis.url, timeout_seconds=settings.redis.timeout, max_connections=settings.api.threads + 2
    )
    return JobStore(client, Keys(settings.redis.prefix), settings.jobs.retention)


def _look_at_redis(store: JobStore, available: Availability) -> None:
    # Otherwise the log would say that Redis is away only when the first client has found out.
    try:
        with available:
            store.check_writable()
    except StoreError as error:
        log.warning("redis takes no jobs yet", reason=str(error))


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where the hard limit is infinite some systems refuse it as the soft one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _pin_to_one_cpu() -> None:
    """Keep this process on one CPU: its threads take turns anyway, and across CPUs they fight for the turn."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
