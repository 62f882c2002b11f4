"""Waiting for the end of a job over the wire: by parked connections, which hold no thread."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.claims import Claim
from jobworker.store.states import Outcome
from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer
from tests.support.reply import Reply
from tests.support.waiting import wait_until
from tests.support.world import Supervisor, World

pytestmark = pytest.mark.real

#: Fewer than clients that wait.
THREADS = 2


@pytest.fixture
def api(redis_server: RedisServer) -> Iterator[ApiProcess]:
    with running_api(redis_server.url, threads=THREADS, max_waiting=20) as api:
        yield api


class Waiter:
    """A client on a bare connection."""

    def __init__(self, api: ApiProcess, head: str, *headers: str, method: str = "GET") -> None:
        self.method = method
        self.connection = api.connect()
        self.send(head, *headers)

    def send(self, head: str, *headers: str) -> None:
        lines = [f"{self.method} {head} HTTP/1.1", "Host: localhost", *headers]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())

    def reply(self) -> Reply:
        return read_reply(self.connection, has_body=self.method != "HEAD")


def read_reply(connection: socket.socket, *, has_body: bool = True) -> Reply:
    received = b""
    while b"\r\n\r\n" not in received:
        received += read(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while has_body and len(body) < int(headers.get("Content-Length", "0")):
        body += read(connection)
    return Reply(int(first.split()[1]), headers, body)


def read(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the server has closed the connection"
    return data


@pytest.fixture
def wait(api: ApiProcess) -> Iterator[Callable[..., Waiter]]:
    with ExitStack() as opened:

        def begin(*arguments: Any, **options: Any) -> Waiter:
            waiter = Waiter(api, *arguments, **options)
            opened.callback(waiter.connection.close)
            return waiter

        yield begin


def is_awaited(world: World, job_id: str) -> bool:
    return b"w" in (world.client.hget(world.keys.job(job_id), "at_end") or b"")


def test_more_clients_than_threads_wait_and_are_answered_at_the_end(
    api: ApiProcess, world: World, alpha: Supervisor, claim: Claim, wait: Callable[..., Waiter]
) -> None:
    waiters = [wait(f"/jobs/{claim.id}?wait=60") for _ in range(10)]
    wait_until(lambda: is_awaited(world, claim.id))
    assert api.request("GET", "/livez").status == 200
    alpha.settle(claim, Outcome.SUCCEEDED, result=b"4711")
    replies = [waiter.reply() for waiter in waiters]
    assert {(reply.status, reply.json["status"], reply.json["result"]) for reply in replies} == {
        (200, "succeeded", 4711)
    }
    assert len({reply.headers["X-Request-Id"] for reply in replies}) == 10


def test_a_job_that_has_ended_is_answered_at_once_and_the_time_is_not_exceeded(
    api: ApiProcess, alpha: Supervisor, claim: Claim
) -> None:
    assert api.request("GET", f"/jobs/{claim.id}?wait=1").json["status"] == "running"
    alpha.settle(claim, Outcome.SUCCEEDED)
    assert api.request("GET", f"/jobs/{claim.id}?wait=60").json["status"] == "succeeded"


def test_head_waits_too_and_a_connection_goes_on_afterwards(
    world: World, alpha: Supervisor, claim: Claim, wait: Callable[..., Waiter]
) -> None:
    waiter = wait(f"/jobs/{claim.id}?wait=60", "X-Request-Id: mine", method="HEAD")
    # What comes behind it is answered behind it.
    waiter.send("/livez")
    wait_until(lambda: is_awaited(world, claim.id))
    alpha.settle(claim, Outcome.SUCCEEDED)
    received = b""
    while received.count(b"\r\n\r\n") < 2:
        received += read(waiter.connection)
    first, second, rest = received.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nX-Request-Id: mine" in first
    assert (second[:13], rest) == (b"HTTP/1.1 200 ", b"")


def test_a_post_that_would_wait_makes_one_job_and_is_answered_with_it(
    world: World, alpha: Supervisor, wait: Callable[..., Waiter]
) -> None:
    waiter = wait("/jobs", "Prefer: respond-async, wait=30", "Content-Length: 0", method="POST")
    wait_until(lambda: world.order_of() and is_awaited(world, world.order_of()[0]))
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.SUCCEEDED, result=b"7")
    reply = waiter.reply()
    assert (reply.status, reply.json["id"], reply.json["result"]) == (200, claim.id, 7)
    assert (reply.headers["Preference-Applied"], reply.headers["Location"]) == ("wait=30", f"/jobs/{claim.id}")
    assert world.client.zcard(world.keys.created) == 1


def test_a_post_whose_job_takes_longer_is_answered_as_ever(api: ApiProcess, world: World) -> None:
    reply = api.request("POST", "/jobs", headers={"Prefer": "wait=1"})
    assert (reply.status, reply.json["status"]) == (202, "pending")
    assert reply.headers["Preference-Applied"] == "wait=1"
    assert world.client.zcard(world.keys.created) == 1


def test_a_client_that_leaves_is_forgotten(
    api: ApiProcess, world: World, claim: Claim, wait: Callable[..., Waiter]
) -> None:
    before = psutil.Process(api.process.pid).num_fds()
    for _ in range(2):
        waiters = [wait(f"/jobs/{claim.id}?wait=60") for _ in range(20)]
        wait_until(lambda: psutil.Process(api.process.pid).num_fds() >= before + 20)
        wait_until(lambda: api.request("GET", f"/jobs/{claim.id}?wait=1").headers.get("Retry-After") == "5")
        for waiter in waiters:
            waiter.connection.close()
        wait_until(lambda: api.request("GET", f"/jobs/{claim.id}?wait=1").headers.get("Retry-After") is None)
    wait_until(lambda: psutil.Process(api.process.pid).num_fds() < before + 10)


def test_whoever_drains_answers_those_who_wait(
    api: ApiProcess, world: World, claim: Claim, wait: Callable[..., Waiter]
) -> None:
    waiter = wait(f"/jobs/{claim.id}?wait=60")
    wait_until(lambda: is_awaited(world, claim.id))
    api.terminate()
    reply = waiter.reply()
    assert (reply.status, reply.json["status"], reply.headers["Connection"]) == (200, "running", "close")
    assert api.wait() == 0


def test_an_end_that_is_told_during_an_outage_is_looked_up_afterwards(
    proxy: Proxy, world: World, alpha: Supervisor, claim: Claim
) -> None:
    with running_api(proxy.url, threads=1) as api, api.connect() as connection:
        connection.sendall(f"GET /jobs/{claim.id}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: is_awaited(world, claim.id))
        # There is one thread: whoever is answered by it now shows that it has let go of who waits.
        assert api.request("GET", "/livez").status == 200
        proxy.refuse()
        alpha.settle(claim, Outcome.SUCCEEDED)
        # What was told is gone by the time that Redis can be asked again.
        world.client.delete(world.keys.ends)
        proxy.pass_on()
        assert read_reply(connection).json["status"] == "succeeded"


def test_what_is_no_wait_is_refused_and_a_preference_that_is_none_is_passed_over(api: ApiProcess, claim: Claim) -> None:
    for query in ("wait=61", "wait=-1", "wait=x", "follow=1"):
        assert api.request("GET", f"/jobs/{claim.id}?{query}").status in (400, 422)
    for preference in ("wait=x", "wait", "respond-async"):
        reply = api.request("GET", f"/jobs/{claim.id}", headers={"Prefer": preference})
        assert (reply.status, reply.headers.get("Preference-Applied")) == (200, None)
    # One id in sixteen ends with 0: that would be the job that runs, and the wait a minute long.
    unknown = claim.id[:-1] + ("1" if claim.id.endswith("0") else "0")
    assert api.request("GET", f"/jobs/{unknown}?wait=60").status == 404


def test_what_has_not_changed_is_not_sent_again(api: ApiProcess, alpha: Supervisor, claim: Claim) -> None:
    tag = api.request("GET", f"/jobs/{claim.id}").headers["Etag"]
    again = api.request("GET", f"/jobs/{claim.id}", headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["Etag"]) == (304, b"", tag)
    alpha.settle(claim, Outcome.SUCCEEDED)
    changed = api.request("GET", f"/jobs/{claim.id}", headers={"If-None-Match": tag})
    assert (changed.status, changed.json["status"]) == (200, "succeeded")


def test_thousands_of_idle_connections_keep_nobody_out(redis_server: RedisServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        with running_api(redis_server.url) as api, ExitStack() as opened:
            for _ in range(2500):
                opened.enter_context(api.connect())
            assert api.request("GET", "/livez").status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_race_of_ends_and_waits_leaves_nobody_waiting(
    world: World, alpha: Supervisor, wait: Callable[..., Waiter]
) -> None:
    for _ in range(30):
        world.enqueue()
        claim = alpha.claim_one()
        waiters = [wait(f"/jobs/{claim.id}?wait=60") for _ in range(3)]
        alpha.settle(claim, Outcome.SUCCEEDED)
        for waiter in waiters:
            assert waiter.reply().json["status"] == "succeeded"
