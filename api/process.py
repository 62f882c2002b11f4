"""One process of the API: serves the application on waitress until told to stop, then lets answers in progress end."""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from threading import Thread
from types import FrameType
from typing import Any, Final, cast

import structlog
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from jobworker.api.app import create_app
from jobworker.api.audience import Audience
from jobworker.api.availability import Availability
from jobworker.api.broadcast import Broadcast
from jobworker.api.channel import Channel
from jobworker.api.listening import Listening
from jobworker.api.parking import Parking
from jobworker.api.parser import MAX_HEAD_BYTES
from jobworker.api.traffic import TrafficRow
from jobworker.store.connection import connect
from jobworker.store.errors import StoreError
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.limits import MIB
from jobworker.store.replicas import Replicas
from jobworker.store.settings import ApiSettings, Settings

#: Idle keep-alive connections count, too.
CONNECTION_LIMIT: Final = 2000
#: Beside what waitress sets by itself: a follower's host may vanish without a word, and nothing is sent to it that
#: would show. After a minute of silence the system asks.
SOCKET_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)] if hasattr(socket, "TCP_KEEPIDLE") else []),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)] if hasattr(socket, "TCP_KEEPINTVL") else []),
]
#: Bodies and answers that are smaller stay in memory: a container may have no place for temporary files.
BUFFER_BYTES: Final = 4 * MIB

log = structlog.stdlib.get_logger(__name__)


class Server:
    """Owns waitress's loop, its threads and the listening socket.

    Told:   `drain`, `hurry` (by signals).
    Ends:   when every answer in progress has been sent, or the grace is over, or there is a hurry.
    """

    def __init__(self, app: Callable[..., Any], listener: socket.socket, settings: ApiSettings) -> None:
        self._listener = listener
        self._grace_seconds = settings.grace
        self._draining = False
        self._hurried = False
        #: What waitress watches: the listener, its trigger, the channels.
        self._map: dict[int, Any] = {}
        self._waitress = cast("BaseWSGIServer", create_server(app, map=self._map, **_adjustments(listener, settings)))
        self.parking = Parking(self._waitress, self._map, settings.max_waiting)
        self.audience = Audience()
        self._waitress.channel_class = cast("type[HTTPChannel]", self._new_channel)
        self._waitress.adj.socket_options = SOCKET_OPTIONS

    def run(self) -> None:
        """Serve until told to end."""
        while not self._draining:
            self._turn(1.0)
            self._make_room()
        log.info("draining", grace_seconds=self._grace_seconds)
        self._drain()
        log.info("stopped")

    def drain(self) -> None:
        """Take nothing new, and end when what is in progress has ended. Safe in a signal handler."""
        if not self._draining:
            self._draining = True
            self._waitress.pull_trigger()

    def hurry(self) -> None:
        """End now. Safe in a signal handler."""
        self._hurried = True
        self.drain()

    def stop(self) -> None:
        """Drain; called again: hurry. Safe in a signal handler."""
        (self.hurry if self._draining else self.drain)()

    def _drain(self) -> None:
        deadline = time.monotonic() + self._grace_seconds
        self._accept_pending()
        # Not the server's own `close`: it would take the trigger along, by which threads wake the loop.
        wasyncore.dispatcher.close(self._waitress)
        # First: an answer that is over already is not ended in good order.
        self.audience.drain()
        for channel in self._channels():
            channel.draining = True
        self.parking.drain()
        self._turn(0.0)
        while not self._hurried and time.monotonic() < deadline and any(channel.busy for channel in self._channels()):
            self._turn(0.05)
        self._waitress.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def _accept_pending(self) -> None:
        # Closing the socket resets connections that wait on it, and their clients have perhaps sent already.
        while select.select([self._listener], [], [], 0)[0]:
            self._waitress.handle_accept()

    def _turn(self, timeout_seconds: float) -> None:
        timeout_seconds = self.parking.turn(timeout_seconds)
        wasyncore.loop(timeout=max(0.0, timeout_seconds), use_poll=True, map=self._map, count=1)

    def _new_channel(self, *arguments: Any, **options: Any) -> Channel:
        channel = Channel(*arguments, **options)
        channel.parking = self.parking
        channel.audience = self.audience
        return channel

    def _make_room(self) -> None:
        # At its limit waitress accepts nobody until somebody leaves, which idle clients do after a minute.
        if len(self._map) < CONNECTION_LIMIT:
            return
        idle = [entry for entry in self._map.values() if isinstance(entry, Channel) and not entry.serving]
        idle.sort(key=lambda channel: channel.last_activity)
        for channel in idle[: CONNECTION_LIMIT // 4]:
            channel.handle_close()

    def _channels(self) -> list[Channel]:
        # Those that wait are not in the map.
        return list(cast("dict[int, Channel]", self._waitress.active_channels).values())


#: What each signal asks of a process that serves.
Orders = Mapping[signal.Signals, Callable[[Server], None]]

#: A process that serves alone is asked by people and by what watches it: once to drain, again to hurry.
ALONE: Final[Orders] = {
    signal.SIGTERM: Server.stop,
    signal.SIGINT: Server.stop,
    # A terminal that closes may send it twice.
    signal.SIGHUP: Server.drain,
    signal.SIGQUIT: Server.hurry,
}
#: One of several is asked by its parent; a service manager that signals every process asks it, too, for the same.
ONE_OF_SEVERAL: Final[Orders] = {
    signal.SIGTERM: Server.drain,
    signal.SIGINT: Server.drain,
    signal.SIGHUP: Server.drain,
    signal.SIGQUIT: Server.hurry,
    signal.SIGUSR1: Server.hurry,
}


def run_process(listener: socket.socket, settings: Settings, orders: Orders, row: TrafficRow) -> None:
    """Serve until told to stop and the end of what was in progress.

    Redis may be away: then requests are answered with 503 until it comes.
    """
    store = connect_store(settings)
    available = Availability(store.check_writable)
    server = Server(row.around(create_app(store, available, settings, row)), listener, settings.api)
    listening = Listening(store.ends, available, server.parking, block_seconds=settings.redis.timeout / 2)
    broadcast = Broadcast(store.events, available, server.audience, block_seconds=settings.redis.timeout / 2)
    _answer_signals(server, orders)
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port, pid=os.getpid())
    Thread(target=_look_at_redis, args=(store, available), name="redis-first-look", daemon=True).start()
    listening.start()
    broadcast.start()
    server.run()
    listening.close()
    broadcast.close()
    available.close()
    store.close()


def connect_store(settings: Settings) -> JobStore:
    """Return the store; nothing is sent yet. Raises StoreMisconfigured for a URL that is none."""
    # A thread without a connection would count as an outage: every thread has one, the probes two, those that hear of
    # ends and of events one each.
    client = connect(
        settings.redis.url, timeout_seconds=settings.redis.timeout, max_connections=settings.api.threads + 4
    )
    # A call is given up after the timeout, and POST is answered within 3 s: a part of that is left for the wait.
    replicas = Replicas(settings.redis.wait_replicas, round(500 * settings.redis.timeout))
    return JobStore(client, Keys(settings.redis.prefix), settings.jobs.retention, replicas)


def _answer_signals(server: Server, orders: Orders) -> None:
    for number, order in orders.items():
        # What was ignored when we were started (nohup, a script's background job) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _obeying(server, order))
    # What a parent has kept from us until we could answer.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, orders)


def _obeying(server: Server, order: Callable[[Server], None]) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: order(server)


def _adjustments(listener: socket.socket, settings: ApiSettings) -> dict[str, Any]:
    return {
        "sockets": [listener],
        "threads": settings.threads,
        "connection_limit": CONNECTION_LIMIT,
        "asyncore_use_poll": True,
        "channel_request_lookahead": 1,
        "channel_timeout": 60,
        "cleanup_interval": 10,
        "max_request_header_size": MAX_HEAD_BYTES,
        "max_request_body_size": 17 * MIB,
        "inbuf_overflow": BUFFER_BYTES,
        "outbuf_overflow": BUFFER_BYTES,
        "ident": None,
    }


def _look_at_redis(store: JobStore, available: Availability) -> None:
    # Otherwise the log would hear from `available` that Redis is away only when the first client has found out.
    with contextlib.suppress(StoreError), available:
        store.check_writable()
