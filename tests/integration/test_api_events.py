"""Events over the wire: to more clients than there are threads, without a loss that is not told."""

import http.client
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from jobworker.api.audience import MOST_LISTENERS
from jobworker.store.states import Outcome
from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.world import World

pytestmark = pytest.mark.real

#: Fewer than clients that listen.
THREADS = 2


@pytest.fixture
def api(redis_server: RedisServer) -> Iterator[ApiProcess]:
    with running_api(redis_server.url, threads=THREADS) as api:
        yield api


class Listening:
    """A client of an event stream."""

    def __init__(self, api: ApiProcess, query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        self._connection.request("GET", f"/events?{query}", headers=headers)
        self.response = self._connection.getresponse()
        self.last_id = ""
        if self.response.status == 200:
            assert self.block()["retry"] == "2000"

    def block(self) -> dict[str, str]:
        """Return the next block as field -> value."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        self.last_id = fields.get("id", self.last_id)
        return fields

    def event(self) -> dict[str, Any]:
        """Return the data of the next event."""
        block = self.block()
        data: dict[str, Any] = msgspec.json.decode(block["data"])
        assert data["event"] == block["event"]
        return data

    def leave(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def listen(api: ApiProcess) -> Iterator[Callable[..., Listening]]:
    opened: list[Listening] = []

    def open_one(query: str = "", **headers: str) -> Listening:
        opened.append(Listening(api, query, **headers))
        return opened[-1]

    yield open_one
    for one in opened:
        one.leave()


def happen(world: World, queues: list[str]) -> None:
    """Tell of pauses that have not been."""
    # redis-py types it not at all.
    client: Any = world.client
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.xadd(world.keys.events, {"event": "paused", "queue": queue})
    pipeline.execute()


def test_more_clients_than_threads_hear_what_happens(
    api: ApiProcess, world: World, listen: Callable[..., Listening]
) -> None:
    listeners = [listen() for _ in range(5)]
    alpha = world.register("alpha")
    job_id = world.enqueue(type="mail", queue="slow")
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.store.pause("slow", who="somebody")
    for listener in listeners:
        assert listener.response.headers["Content-Type"] == "text/event-stream"
        found = [listener.event() for _ in range(4)]
        assert [one["event"] for one in found] == ["accepted", "started", "ended", "paused"]
        ended = {name: found[2][name] for name in ("id", "type", "queue", "status", "attempt")}
        assert ended == {"id": job_id, "type": "mail", "queue": "slow", "status": "succeeded", "attempt": 1}
    assert api.request("GET", "/livez").status == 200


@pytest.mark.parametrize("query", ["type=mail", "queue=slow", "status=pending&type=mail"])
def test_who_asks_for_some_hears_of_those(world: World, listen: Callable[..., Listening], query: str) -> None:
    listener = listen(query)
    world.enqueue()
    wanted = world.enqueue(type="mail", queue="slow")
    assert listener.event()["id"] == wanted


def test_a_job_can_be_listened_to(world: World, listen: Callable[..., Listening]) -> None:
    world.enqueue()
    job_id = world.enqueue()
    listener = listen(f"job={job_id}&status=cancelled")
    world.store.pause(who="somebody")
    world.store.cancel(job_id)
    assert listener.event()["event"] == "ended"


def test_who_comes_again_misses_nothing_and_hears_nothing_twice(world: World, listen: Callable[..., Listening]) -> None:
    first = listen()
    world.enqueue()
    first.event()
    first.leave()
    missed = [f"queue-{number}" for number in range(1200)]
    happen(world, missed)
    again = listen(**{"Last-Event-ID": first.last_id})
    happen(world, ["later"])
    assert [again.event()["queue"] for _ in range(1201)] == [*missed, "later"]


def test_who_comes_again_before_anything_has_happened_misses_nothing(
    world: World, listen: Callable[..., Listening]
) -> None:
    first = listen()
    first.leave()
    missed = world.enqueue()
    assert listen(**{"Last-Event-ID": first.last_id}).event()["id"] == missed


@pytest.mark.parametrize("unknown", ["1-1", "nonsense"])
def test_what_is_not_kept_any_more_is_a_gap(world: World, listen: Callable[..., Listening], unknown: str) -> None:
    listen()
    listener = listen(**{"Last-Event-ID": unknown})
    job_id = world.enqueue()
    assert listener.event()["event"] == "gap"
    found = listener.event()
    while found["event"] == "gap":
        found = listener.event()
    assert found["id"] == job_id


def test_what_happened_while_nobody_listened_is_a_gap(world: World, listen: Callable[..., Listening]) -> None:
    first = listen()
    first.leave()
    # As after half a minute.
    world.client.delete(world.keys.events_wanted)
    world.enqueue()
    again = listen(**{"Last-Event-ID": first.last_id})
    assert again.event()["event"] == "gap"
    job_id = world.enqueue()
    assert again.event()["id"] == job_id


def test_there_is_room_for_so_many_and_who_leaves_makes_room(listen: Callable[..., Listening]) -> None:
    listeners = [listen() for _ in range(MOST_LISTENERS)]
    refused = listen()
    assert (refused.response.status, refused.response.headers["Retry-After"]) == (503, "1")
    listeners[0].leave()
    wait_until(lambda: listen().response.status == 200)


def test_a_drain_ends_the_answers_in_good_order(api: ApiProcess, listen: Callable[..., Listening]) -> None:
    listener = listen()
    api.process.send_signal(signal.SIGTERM)
    assert listener.response.read() == b""
    assert api.wait() == 0


def test_a_client_that_takes_nothing_is_dropped_and_the_others_hear_on(
    api: ApiProcess, world: World, listen: Callable[..., Listening]
) -> None:
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", api.port))
    deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert deaf.recv(12) == b"HTTP/1.1 200"
    listener = listen()

    many = ["q" * 10_000] * 100

    def is_dropped() -> bool:
        happen(world, many)
        for _ in many:
            listener.event()
        try:
            return deaf.send(b"x") == 0
        except ConnectionError:
            return True

    wait_until(is_dropped, timeout_seconds=30)
    deaf.close()
