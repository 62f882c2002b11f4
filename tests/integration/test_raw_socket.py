"""Bytes that are no good request: refused or cut off, with Redis as it was, and nobody else kept waiting."""

import http.client
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api_process import ApiProcess, running_api
from tests.support.keyspace import digest
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
PAUSE = b"POST /jobs/pause HTTP/1.1\r\n" + HOST
#: A second request, hidden in the body of the first.
HIDDEN = b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
#: How long anybody may have to wait for an answer beside all this, on a machine that does other things, too.
PING_SECONDS = 5.0
#: Who has said nothing for so long says no more.
SILENCE_SECONDS = 0.1
#: So many in CI; JOBWORKER_TEST_IDLE=10000 for as many as the issue says.
IDLE_CONNECTIONS = int(os.environ.get("JOBWORKER_TEST_IDLE", "1000"))

#: What each is answered with; nothing of it may be done.
REFUSED: dict[str, tuple[bytes, set[int]]] = {
    "both lengths": (PAUSE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, {400}),
    "two lengths": (PAUSE + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + HIDDEN, {400}),
    "the same length twice": (PAUSE + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", {400}),
    "a length with a sign": (PAUSE + b"Content-Length: +2\r\n\r\n{}", {400}),
    "a length of thousands of digits": (PAUSE + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", {400}),
    "chunked twice": (PAUSE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunked and chunked": (PAUSE + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunked and identity": (PAUSE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", {400, 501}),
    "an unknown coding": (PAUSE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "a coding behind a tab": (PAUSE + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN, {400, 501}),
    "a blank before the colon": (PAUSE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN, {400}),
    "an empty coding": (PAUSE + b"Transfer-Encoding:\r\nContent-Length: 0\r\n\r\n", {400}),
    "chunked in 1.0": (
        b"POST /jobs/pause HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        {400},
    ),
    "a bare LF": (PAUSE + b"X: a\nContent-Length: 0\r\n\r\n", {400}),
    "a folded header": (PAUSE + b"X: a\r\n Content-Length: 5\r\n\r\n", {400}),
    "a NUL": (PAUSE + b"X: a\0b\r\n\r\n", {400}),
    "a header without a colon": (PAUSE + b"nonsense\r\n\r\n", {400}),
    "two hosts": (PAUSE + HOST + b"\r\n", {400}),
    "no host": (b"POST /jobs/pause HTTP/1.1\r\n\r\n", {400}),
    "a foreign host": (b"POST /jobs/pause HTTP/1.1\r\nHost: evil.example\r\n\r\n", {403}),
    "two keys": (b"POST /jobs HTTP/1.1\r\n" + HOST + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", {400}),
    "two authorizations": (PAUSE + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", {400}),
    "a method of many letters": (b"X" * 4000 + b" /jobs HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405}),
    "a method in small letters": (b"post /jobs HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a long address": (b"POST /jobs?" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}),
    "many parameters": (b"POST /jobs?" + b"x&" * 200 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "many headers": (PAUSE + b"X: a\r\n" * 200 + b"\r\n", {400}),
    "a long header": (PAUSE + b"X: " + b"x" * 40_000 + b"\r\n\r\n", {431}),
    "another HTTP": (b"POST /jobs HTTP/2.0\r\n" + HOST + b"\r\n", {505}),
    "no HTTP": (b"POST /jobs\r\n" + HOST + b"\r\n", {400, 505}),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 505}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a proxy's request": (b"CONNECT localhost:6379 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}),
    "an address that is none": (b"POST http://[/jobs HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a chunk with a wrong size": (
        PAUSE + JSON + b"Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
        {400},
    ),
    "a chunk that is longer": (PAUSE + JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", {400}),
    "a body that is too long": (PAUSE + b"Content-Length: 99999\r\n\r\n", {413}),
}


@pytest.fixture(scope="module")
def api(shared_server: RedisServer) -> Iterator[ApiProcess]:
    with redis.Redis(port=shared_server.port) as client:
        client.flushall()
    with running_api(f"redis://127.0.0.1:{shared_server.port}/0", grace=1.0) as api:
        # What the first look at Redis writes is there.
        assert api.request("GET", "/readyz").status == 200
        yield api


@pytest.fixture
def client(shared_server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=shared_server.port) as client:
        yield client


def told(api: ApiProcess, data: bytes, *, first_seconds: float = 20, silence_seconds: float = SILENCE_SECONDS) -> bytes:
    """Send bytes; return what comes until the server closes, or has said something and then nothing for a while."""
    answers = b""
    with api.connect() as connection:
        connection.settimeout(first_seconds)
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                answers += piece
                connection.settimeout(silence_seconds)
        except (ConnectionError, TimeoutError):
            pass
    return answers


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer; bodies are JSON on one line, and hold no such line."""
    return [int(line.split()[1]) for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.")] + [
        int(line.rpartition(b"HTTP/1.")[2].split()[1]) for line in answers.split(b"\r\n") if b"}HTTP/1." in line
    ]


def check_well(api: ApiProcess) -> None:
    began = time.monotonic()
    assert api.request("GET", "/livez").status == 200
    assert time.monotonic() - began < PING_SECONDS
    assert not [line for line in api.log if "Traceback" in line or "unexpected error" in line]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_answered_once_and_leaves_redis_as_it_was(
    api: ApiProcess, client: redis.Redis, name: str
) -> None:
    request, expected = REFUSED[name]
    before = digest(client)
    answers = statuses(told(api, request))
    assert len(answers) == 1, answers
    assert answers[0] in expected
    assert digest(client) == before
    check_well(api)


PARTS = st.sampled_from(
    [
        *(b"POST /jobs/pause HTTP/1.1\r\n", b"GET /jobs HTTP/1.1\r\n", b"DELETE /jobs/x HTTP/1.0\r\n", b"GET //x?y#z "),
        *(HOST, JSON, b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(
            b"Expect: 100-continue\r\n",
            b"Connection: keep-alive\r\n",
            b"Connection: close\r\n",
            b"X-Request-Id: \xff\r\n",
        ),
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b" ",
            b"\t",
            b":",
            b"%00",
            b"%ff",
            b"\xc3\x28",
            b"..",
            b"2\r\n{}\r\n",
            b"0\r\n\r\n",
        ),
        *(b"{}", b'{"queue": 7}', b"ffffffffffffffff\r\n", b"2;x=y\r\n", b"HTTP/1.1", b"HTTP/9.9\r\n", b"?a=1&a=2"),
    ]
)
BYTES = st.lists(st.one_of(PARTS, st.binary(max_size=8)), max_size=14).map(b"".join)


@settings(
    # The same ones each time; more of them find more: JOBWORKER_TEST_EXAMPLES=2000.
    max_examples=int(os.environ.get("JOBWORKER_TEST_EXAMPLES", "60")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=BYTES)
def test_no_bytes_bring_an_error_of_ours(api: ApiProcess, data: bytes) -> None:
    found = statuses(told(api, data, first_seconds=SILENCE_SECONDS))
    assert all(status < 500 or status in (501, 505) for status in found), found
    check_well(api)


def test_requests_in_a_row_are_answered_in_their_order(api: ApiProcess) -> None:
    one = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    other = b"GET /jobs/x HTTP/1.1\r\n" + HOST + b"\r\n"
    # After the last one the server closes.
    answers = told(api, one + other + one + b"nonsense\r\n\r\n", silence_seconds=20)
    assert sorted(statuses(answers)) == [200, 200, 400, 404]


def test_connections_that_say_nothing_or_little_keep_nobody_waiting(api: ApiProcess) -> None:
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200
    with ExitStack() as stack:
        for number in range(min(IDLE_CONNECTIONS, room)):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=20))
            if number % 2:
                # Headers that never end.
                idle.sendall(PAUSE)
            if number % 100 == 0:
                check_well(api)
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        for _ in range(20):
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        connection.close()
        assert time.monotonic() - began < PING_SECONDS
