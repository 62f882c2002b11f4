"""Connections that wait for the end of a job, without a thread and out of the loop's way."""

import select
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from threading import Event, Lock
from typing import Any, Final, Protocol

from jobworker.api.waiting import Ticket

#: Requests that have waited and are served at once: more would keep a ping behind them waiting, and with fewer the loop
#: would go round for each.
TURNS: Final = 16
#: Connections in the loop from which on those that have waited are closed with their answer.
CROWD: Final = 250
#: What is said of a client that leaves.
_LEAVES: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Parked(Protocol):
    """What a channel of waitress is to us."""

    connected: bool

    @property
    def descriptor(self) -> int | None:
        """Of its socket; None: it is closed."""
        ...

    def handle_close(self) -> None:
        """End the connection."""
        ...

    def refresh(self) -> None:
        """Count the time that its request waits for a thread from now on."""
        ...


class Waitress(Protocol):
    """What a server of waitress is to us."""

    trigger: Any

    def add_task(self, task: Any) -> None:
        """Have a channel served by a thread."""
        ...


class Parking:
    """Owns the connections that wait, and the descriptor that tells when their clients leave.

    It stands in the loop's map itself, as the one entry for all of them. What begins with `Loop:` is called by the loop
    alone, all else by any thread.

    Told:   by responders, who enters and leaves; by threads, what is parked; of ends; that the server drains.
    Tells:  waitress, whose turn it is.
    Ends:   with the loop.
    """

    accepting = False

    def __init__(self, server: Waitress, channels: dict[int, Any], most: int) -> None:
        self._server = server
        self._map = channels
        self._most = most
        self._lock = Lock()
        self._tickets: dict[str, set[Ticket]] = {}
        self._count = 0
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._numbers = count()
        self._closed = False
        #: Whether anybody waits.
        self.occupied = Event()
        self._epoll = select.epoll()
        self._descriptors: dict[Ticket, int] = {}
        self._parked: dict[int, tuple[Ticket, Parked]] = {}
        self._due: deque[tuple[Parked, Ticket]] = deque()
        self._serving = 0
        self._map[self._epoll.fileno()] = self

    def enter(self, job_id: str, seconds: float) -> Ticket | None:
        """Return a ticket that is called when the job ends or the time is over; None: there is no room."""
        ticket = Ticket(job_id, time.monotonic() + seconds)
        with self._lock:
            if self._closed or self._count >= self._most:
                return None
            self._count += 1
            self._tickets.setdefault(job_id, set()).add(ticket)
            heappush(self._deadlines, (ticket.deadline, next(self._numbers), ticket))
            self.occupied.set()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket back."""
        with self._lock:
            self._call(ticket)

    def park(self, channel: Parked, ticket: Ticket) -> None:
        """Keep a connection whose thread goes."""
        self._server.trigger.pull_trigger(partial(self._admit, channel, ticket))

    def call(self, job_ids: Iterable[str]) -> None:
        """Let go on what waits for these jobs."""
        with self._lock:
            tickets = [ticket for job_id in job_ids for ticket in list(self._tickets.get(job_id, ()))]
            for ticket in tickets:
                self._call(ticket)
        if tickets:
            self._server.trigger.pull_trigger(partial(self._release, tickets))

    def served(self) -> None:
        """Let the next have its turn."""
        self._server.trigger.pull_trigger(self._next)

    def awaited(self) -> list[str]:
        """Return the jobs whose ends are waited for."""
        with self._lock:
            return list(self._tickets)

    @property
    def crowded(self) -> bool:
        """Whether an answered connection should not stay: thousands at once would make each round of the loop slow."""
        return len(self._map) >= CROWD

    def turn(self, most_seconds: float) -> float:
        """Loop: let go on those whose time is over; return when to come again, in seconds."""
        now = time.monotonic()
        over: list[Ticket] = []
        with self._lock:
            while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].called):
                ticket = heappop(self._deadlines)[2]
                if not ticket.called:
                    self._call(ticket)
                    over.append(ticket)
            left_seconds = self._deadlines[0][0] - now if self._deadlines else most_seconds
        self._release(over)
        return min(most_seconds, left_seconds)

    def drain(self) -> None:
        """Loop: let all go on, and nobody wait any more."""
        with self._lock:
            self._closed = True
        self.call(self.awaited())

    def _call(self, ticket: Ticket) -> None:
        if ticket.called:
            return
        ticket.called = True
        self._count -= 1
        waiting = self._tickets[ticket.job_id]
        waiting.discard(ticket)
        if not waiting:
            del self._tickets[ticket.job_id]
            if not self._tickets:
                self.occupied.clear()

    def _admit(self, channel: Parked, ticket: Ticket) -> None:
        descriptor = channel.descriptor
        if ticket.called or not channel.connected or descriptor is None:
            self.leave(ticket)
            self._queue(channel, ticket)
            return
        self._map.pop(descriptor, None)
        self._epoll.register(descriptor, _LEAVES)
        self._parked[descriptor] = ticket, channel
        self._descriptors[ticket] = descriptor

    def _release(self, tickets: Iterable[Ticket]) -> None:
        # One that is not parked yet finds out as soon as it comes.
        for ticket in tickets:
            if (descriptor := self._descriptors.get(ticket)) is not None:
                self._queue(self._parked[descriptor][1], ticket)

    def _take_out(self, ticket: Ticket) -> None:
        descriptor = self._descriptors.pop(ticket)
        _, channel = self._parked.pop(descriptor)
        self._epoll.unregister(descriptor)
        self._map[descriptor] = channel

    def _queue(self, channel: Parked, ticket: Ticket) -> None:
        if not ticket.in_line:
            ticket.in_line = True
            self._due.append((channel, ticket))
            self._serve()

    def _next(self) -> None:
        self._serving -= 1
        self._serve()

    def _serve(self) -> None:
        while self._due and self._serving < TURNS:
            self._serving += 1
            channel, ticket = self._due.popleft()
            # Not before its turn: each entry in the map costs the loop on each of its rounds.
            if ticket in self._descriptors:
                self._take_out(ticket)
            channel.refresh()
            self._server.add_task(channel)

    def readable(self) -> bool:
        """Loop: whether it should tell of clients that leave."""
        return bool(self._parked)

    def writable(self) -> bool:
        """Loop: whether it should tell when something can be sent."""
        return False

    def handle_read_event(self) -> None:
        """Loop: close the connections whose clients have left."""
        for descriptor, _ in self._epoll.poll(0):
            ticket, channel = self._parked[descriptor]
            self._take_out(ticket)
            self.leave(ticket)
            channel.handle_close()
            # A thread finds it closed, and lets go of the request.
            self._queue(channel, ticket)

    def close(self) -> None:
        """Loop: end."""
        self._map.pop(self._epoll.fileno(), None)
        self._epoll.close()
