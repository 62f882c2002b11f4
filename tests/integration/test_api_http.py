"""What comes over the wire: the real server, raw sockets, everything that is no good request."""

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psutil
import pytest
import redis

from jobworker.store.ids import is_job_id
from jobworker.store.limits import MAX_PAYLOAD_BYTES
from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def api(shared_server: RedisServer) -> Iterator[ApiProcess]:
    # Types that an earlier test has published would make the default one unknown.
    with redis.Redis(port=shared_server.port) as client:
        client.flushall()
    with running_api(shared_server.url) as api:
        yield api


def head(first_line: str, *headers: str) -> bytes:
    return "\r\n".join([first_line, "Host: localhost", *headers, "", ""]).encode()


def test_the_customers_four_endpoints(api: ApiProcess) -> None:
    posted = api.request("POST", "/jobs", b'{"priority": 5}')
    assert (posted.status, posted.json["status"]) == (202, "pending")
    assert is_job_id(posted.json["id"])
    read = api.request("GET", posted.headers["Location"])
    assert (read.status, read.json["status"]) == (200, "pending")
    paused = api.request("POST", "/jobs/pause")
    assert (paused.status, paused.json["message"]) == (200, "Job processing paused")
    resumed = api.request("POST", "/jobs/resume")
    assert (resumed.status, resumed.json["message"]) == (200, "Job processing resumed")


def test_every_answer_has_a_length_and_no_server_header(api: ApiProcess) -> None:
    for method, path in (("GET", "/livez"), ("GET", "/nope"), ("POST", "/jobs"), ("OPTIONS", "/jobs")):
        headers = api.request(method, path).headers
        assert "Content-Length" in headers
        assert not {"Server", "Via", "Transfer-Encoding"} & set(headers)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"get /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\nHost: localhost\n\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (head("POST /jobs HTTP/1.1", "Content-Length: x"), 400),
        (head("POST /jobs HTTP/1.1", "Content-Length: " + "9" * 5000), 400),
        (head("POST /jobs HTTP/1.1", "Transfer-Encoding: chunked") + b"ZZ\r\n", 400),
        (head("GET /livez HTTP/1.1", "Connection: close", "Host: evil.com"), 400),
        (head("POST /jobs HTTP/1.1", "Content-Length: 99999999"), 413),
        (head("POST /jobs HTTP/1.1", "Content-Length: 99999999", "Expect: 100-continue"), 413),
        (head("GET /livez HTTP/1.1", "X: " + "x" * 300_000), 431),
        (head("POST /jobs HTTP/1.1", "Transfer-Encoding: gzip"), 501),
    ],
)
def test_what_is_refused_before_the_application_is_problem_details_too(
    api: ApiProcess, data: bytes, status: int
) -> None:
    answer_head, _, body = api.raw(data).partition(b"\r\n\r\n")
    assert answer_head.split()[1] == str(status).encode()
    assert b"\r\nContent-Type: application/problem+json" in answer_head
    assert b"\r\nX-Request-Id: " in answer_head
    problem = msgspec.json.decode(body)
    assert problem["status"] == status
    assert {"type", "title", "detail", "request_id"} <= set(problem)


@pytest.mark.parametrize(
    "body_head",
    ["Content-Length: 20000000", "Transfer-Encoding: chunked"],
    ids=["announced", "chunked"],
)
def test_a_client_that_sends_far_too_much_reads_why(api: ApiProcess, body_head: str) -> None:
    body = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 305
    with ThreadPoolExecutor() as pool, api.connect() as connection:
        # It sends all before it reads, as most clients do.
        sent = pool.submit(connection.sendall, head("POST /jobs HTTP/1.1", body_head) + body)
        sent.result(20)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"a body sent to /jobs may have at most 1114112 bytes" in answer


def test_a_payload_of_the_greatest_size_goes_in_and_comes_out(api: ApiProcess) -> None:
    payload = b'"' + b"x" * (MAX_PAYLOAD_BYTES - 2) + b'"'
    posted = api.request("POST", "/jobs", b'{"payload": ' + payload + b"}")
    assert posted.status == 202
    assert payload in api.request("GET", posted.headers["Location"]).body


def test_a_payload_a_byte_larger_is_413(api: ApiProcess) -> None:
    refused = api.request("POST", "/jobs", b'{"payload": "' + b"x" * (MAX_PAYLOAD_BYTES - 1) + b'"}')
    assert (refused.status, refused.headers["Content-Type"]) == (413, "application/problem+json")


def test_a_hundred_thousand_brackets_are_422(api: ApiProcess) -> None:
    assert api.request("POST", "/jobs", b'{"payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}").status == 422
    assert api.request("GET", "/livez").status == 200


def test_a_chunked_body_is_read(api: ApiProcess) -> None:
    request = head("POST /jobs HTTP/1.1", "Transfer-Encoding: chunked", "Content-Type: application/json")
    with api.connect() as connection:
        connection.sendall(request + b"f\r\n" + b'{"priority": 7}' + b"\r\n0\r\n\r\n")
        assert b'"priority":7' in connection.recv(65536)


def test_who_expects_100_continue_without_a_body_is_answered(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(head("POST /jobs HTTP/1.1", "Expect: 100-continue", "Content-Length: 0"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_a_connection_serves_many_requests_one_after_the_other(api: ApiProcess) -> None:
    with api.connect() as connection:
        for _ in range(50):
            connection.sendall(head("GET /livez HTTP/1.1"))
            assert connection.recv(65536).endswith(b'{"status":"ok"}')


def test_what_has_no_body_does_not_end_the_connection(api: ApiProcess) -> None:
    path = api.request("POST", "/jobs", b"{}").headers["Location"]
    etag = api.request("GET", path).headers["Etag"]
    with api.connect() as connection:
        for ending, status in (("", b"304"), ("", b"304"), ("Connection: close", b"304")):
            connection.sendall(head(f"GET {path} HTTP/1.1", f"If-None-Match: {etag}", *filter(None, [ending])))
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert (b"Connection: close" in answer) == bool(ending)
        assert connection.recv(65536) == b""


def test_two_hundred_idle_connections_keep_nobody_out(api: ApiProcess) -> None:
    idle = [api.connect() for _ in range(200)]
    try:
        for connection in idle:
            connection.sendall(head("GET /livez HTTP/1.1"))
        assert all(connection.recv(65536).startswith(b"HTTP/1.1 200 ") for connection in idle)
        assert api.request("GET", "/livez").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_the_process_stays_on_one_cpu_and_may_open_all_files_it_can(api: ApiProcess) -> None:
    pid = api.process.pid
    [cpu] = psutil.Process(pid).cpu_affinity() or []
    assert cpu == max(os.sched_getaffinity(0))
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_many_clients_at_once_get_each_their_own_job(api: ApiProcess) -> None:
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: api.request("POST", "/jobs"), range(200)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json["id"] for reply in replies}) == 200
