"""How the API ends, and why it does not start."""

import signal
import socket

import pytest

from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def is_listening(api: ApiProcess) -> bool:
    try:
        api.connect().close()
    except ConnectionRefusedError:
        return False
    return True


def test_an_answer_in_progress_arrives_whole_and_is_the_last(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, api.connect() as slow, api.connect() as idle:
        idle.sendall(GET)
        assert idle.recv(65536).endswith(b'{"status":"ok"}')
        own_server.freeze()
        slow.sendall(POST)
        idle.sendall(GET)
        assert idle.recv(65536).endswith(b'{"status":"ok"}')
        api.terminate()
        api.wait_for_log("draining")
        wait_until(lambda: not is_listening(api))
        assert api.process.poll() is None
        own_server.resume()
        answer = read_all(slow)
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b'"priority":5}')
        assert read_all(idle) == b""
        assert api.wait() == 0


def test_a_request_that_is_still_coming_in_is_waited_for(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, api.connect() as slow:
        head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
        slow.sendall(head + b'{"prio')
        api.terminate()
        wait_until(lambda: not is_listening(api))
        slow.sendall(b'rity": 7}')
        assert read_all(slow).endswith(b'"priority":7}')
        assert api.wait() == 0


def test_an_idle_api_ends_at_once(own_server: RedisServer) -> None:
    with running_api(own_server.url, grace=3600.0) as api, api.connect() as idle:
        api.terminate()
        assert api.wait() == 0
        assert read_all(idle) == b""


def test_the_end_of_the_grace_ends_the_patience(own_server: RedisServer) -> None:
    with running_api(own_server.url, grace=0.0) as api, api.connect() as slow:
        slow.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n")
        api.terminate()
        assert api.wait() == 0


def test_a_second_signal_ends_the_patience(own_server: RedisServer) -> None:
    with running_api(own_server.url, grace=3600.0) as api, api.connect() as slow:
        slow.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n")
        api.terminate()
        wait_until(lambda: not is_listening(api))
        assert api.process.poll() is None
        api.terminate()
        assert api.wait() == 0


def test_a_terminal_that_closes_drains_however_often_it_says_so(own_server: RedisServer) -> None:
    with running_api(own_server.url, grace=3600.0) as api, api.connect() as slow:
        slow.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(2):
            api.process.send_signal(signal.SIGHUP)
            wait_until(lambda: not is_listening(api))
        slow.sendall(b"\r\n")
        assert read_all(slow).startswith(b"HTTP/1.1 202 ")
        assert api.wait() == 0


def test_sigquit_ends_the_patience_at_once(own_server: RedisServer) -> None:
    with running_api(own_server.url, grace=3600.0) as api, api.connect() as slow:
        slow.sendall(b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n")
        api.process.send_signal(signal.SIGQUIT)
        assert api.wait() == 0


def test_a_port_in_use_is_one_sentence(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api:
        second = ApiProcess(own_server.url, listen=f"127.0.0.1:{api.port}")
        try:
            assert second.wait() == 1
        finally:
            second.close()
        assert second.log[-1] == (
            f"jobworker.api.errors.AddressUnusable: cannot listen on 127.0.0.1:{api.port}: "
            "the port is in use; stop its owner or use --listen\n"
        )


def test_the_port_is_free_again_at_once(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api:
        assert api.request("GET", "/livez").status == 200
        api.terminate()
        assert api.wait() == 0
    with running_api(own_server.url, listen=f"127.0.0.1:{api.port}") as again:
        assert again.request("GET", "/livez").status == 200
