"""One connection, over a real pair of sockets."""

import socket
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer

from jobworker.api.channel import Channel
from jobworker.api.headers import STREAM, WAITED_SECONDS


class Server:
    """What a channel needs of its server; tasks are run by the test."""

    def __init__(self) -> None:
        self.adj = Adjustments(ident=None)
        self.active_channels: dict[int, Channel] = {}
        self.tasks: list[Any] = []
        self.application: Any = answer
        self.effective_port = 80
        self.server_name = "localhost"

    def add_task(self, task: Any) -> None:
        self.tasks.append(task)

    def pull_trigger(self) -> None:
        """Nobody polls."""


def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


class Connection:
    """Both ends of one."""

    def __init__(self) -> None:
        self.server = Server()
        # Packets show each send by itself.
        ours, self.client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.client.settimeout(5)
        self.channel = Channel(
            cast("BaseWSGIServer", self.server), ours, ("127.0.0.1", 1), self.server.adj, cast("Any", {})
        )

    def send(self, data: bytes) -> None:
        self.client.sendall(data)
        self.channel.handle_read()

    def serve(self) -> None:
        self.server.tasks.pop().service()

    def receive_all(self) -> bytes:
        """Return everything until the other half is closed."""
        return b"".join(iter(lambda: self.client.recv(65536), b""))

    @property
    def closed(self) -> bool:
        return not self.channel.connected


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.channel.close()
    connection.client.close()


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_the_application_learns_how_long_a_request_has_waited(connection: Connection) -> None:
    seen: list[float] = []

    def look(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ[WAITED_SECONDS])
        return answer(environ, start_response)

    connection.server.application = look
    before = time.monotonic()
    connection.send(b"GET / HTTP/1.1\r\n\r\n")
    connection.serve()
    assert 0 <= seen[0] <= time.monotonic() - before


def test_the_loop_leaves_sending_to_the_thread_that_serves(connection: Connection) -> None:
    connection.send(GET)
    connection.channel.total_outbufs_len = 100
    assert not connection.channel.writable()


def test_the_loop_sends_what_is_left_when_nobody_serves(connection: Connection) -> None:
    connection.channel.total_outbufs_len = 100
    assert connection.channel.writable()


def test_the_loop_helps_a_thread_that_waits_for_room(connection: Connection) -> None:
    connection.send(GET)
    connection.channel.total_outbufs_len = connection.server.adj.outbuf_high_watermark + 1
    assert connection.channel.writable()


def test_an_answer_that_streams_has_its_head_at_once_and_is_the_last(connection: Connection) -> None:
    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        environ[STREAM].begin()
        head = connection.client.recv(65536)
        assert head.endswith(b"\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in head
        # What its client did not take at once is the loop's to send: the thread sleeps.
        connection.channel.total_outbufs_len += 100
        assert connection.channel.writable()
        connection.channel.total_outbufs_len -= 100
        yield b"one"
        assert connection.client.recv(65536) == b"3\r\none\r\n"

    connection.server.application = stream
    connection.send(GET)
    connection.serve()
    assert connection.client.recv(65536) == b"0\r\n\r\n"
    assert connection.channel.close_when_flushed


@pytest.mark.parametrize("end", ["client", "drain"])
def test_a_stream_is_over_when_the_client_has_left_or_the_server_drains(connection: Connection, end: str) -> None:
    seen: list[bool] = []

    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        seen.append(environ[STREAM].is_over())
        if end == "drain":
            connection.channel.draining = True
        else:
            connection.client.close()
            connection.channel.handle_read()
        seen.append(environ[STREAM].is_over())
        yield b""

    connection.server.application = stream
    connection.send(GET)
    connection.serve()
    assert seen == [False, True]


def test_a_connection_is_kept_after_an_answer(connection: Connection) -> None:
    connection.send(GET)
    connection.serve()
    assert connection.client.recv(65536).endswith(b"\r\n\r\nok")
    assert not connection.channel.close_when_flushed
    assert not connection.channel.busy


def test_a_body_in_one_part_comes_in_one_piece_with_its_head(connection: Connection) -> None:
    connection.send(GET)
    connection.serve()
    assert connection.client.recv(65536).endswith(b"\r\n\r\nok")


def test_a_body_in_parts_comes_whole(connection: Connection) -> None:
    def answer_in_parts(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"o", b"", b"ne"]

    connection.server.application = answer_in_parts
    connection.send(GET + GET)
    connection.serve()
    connection.serve()
    connection.channel.close()
    answers = connection.receive_all()
    assert answers.count(b"\r\n\r\none") == 2


def test_a_draining_connection_says_that_an_answer_is_its_last(connection: Connection) -> None:
    connection.send(GET)
    connection.channel.draining = True
    connection.serve()
    assert b"\r\nConnection: close\r\n" in connection.client.recv(65536)
    assert connection.channel.close_when_flushed


@pytest.mark.parametrize("data", [GET, GET[:10], b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc"])
def test_a_connection_with_a_request_or_a_part_of_one_is_busy(connection: Connection, data: bytes) -> None:
    assert not connection.channel.busy
    connection.send(data)
    assert connection.channel.busy


def test_a_refusal_is_problem_details_with_the_common_headers(connection: Connection) -> None:
    connection.send(b"GARBAGE\r\n\r\n")
    connection.serve()
    head = connection.client.recv(65536)
    assert head.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    for line in (b"Content-Type: application/problem+json", b"X-Request-Id: ", b"X-Content-Type-Options: nosniff"):
        assert b"\r\n" + line in head


def test_a_refusal_keeps_the_clients_request_id(connection: Connection) -> None:
    connection.send(b"POST /jobs HTTP/1.1\r\nX-Request-Id: mine\r\nContent-Length: 99999999\r\n\r\n")
    connection.serve()
    answer = connection.client.recv(65536)
    assert b"\r\nX-Request-Id: mine\r\n" in answer
    assert b'"request_id":"mine"' in answer


def test_after_a_refusal_our_half_is_closed_and_what_comes_is_thrown_away(connection: Connection) -> None:
    connection.send(b"GARBAGE\r\n\r\n")
    connection.serve()
    connection.channel.handle_write()
    assert connection.receive_all().startswith(b"HTTP/1.0 400")
    assert not connection.closed
    connection.send(GET)
    assert connection.server.tasks == []
    connection.client.close()
    connection.channel.handle_read()
    assert connection.closed


def test_a_refused_client_that_goes_on_sending_is_cut_off(connection: Connection) -> None:
    connection.send(b"GARBAGE\r\n\r\n")
    connection.serve()
    connection.channel.handle_write()
    connection.channel.linger_end = 0.0
    connection.send(b"more")
    assert connection.channel.writable()
    connection.channel.handle_write()
    assert connection.closed


def test_a_request_behind_a_refused_one_is_not_served(connection: Connection) -> None:
    connection.send(b"GARBAGE\r\n\r\n")
    connection.send(GET)
    assert len(connection.channel.requests) == 1


def test_a_client_that_leaves_after_a_refusal_leaves_nothing_behind(connection: Connection) -> None:
    connection.send(b"GARBAGE\r\n\r\n")
    connection.client.close()
    connection.serve()
    connection.channel.handle_write()
    connection.channel.handle_write()
    assert connection.closed


def test_an_application_that_breaks_is_500_in_problem_details(connection: Connection) -> None:
    def broken(environ: Any, start_response: Any) -> list[bytes]:
        raise ZeroDivisionError

    connection.server.application = broken
    connection.send(GET)
    connection.serve()
    answer = connection.client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b'"status":500' in answer
    assert b"ZeroDivisionError" not in answer


def test_who_sends_a_byte_now_and_then_counts_as_idle_from_the_first_one_on(connection: Connection) -> None:
    connection.send(b"GET / HTTP/1.1\r\n")
    first = connection.channel.last_activity
    assert first == cast("Any", connection.channel.request).began_at
    connection.send(b"X: y\r\n")
    assert connection.channel.last_activity == first
    connection.send(b"\r\n")
    assert connection.channel.last_activity >= first
