"""Several API processes on one port: real ones, with a parent that only watches."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from jobworker.store.sizing import usable_cpus
from tests.support.api_process import ApiProcess, running_api
from tests.support.command import is_gone
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

POST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_REQUEST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def api(redis_server: RedisServer) -> Iterator[ApiProcess]:
    with running_api(redis_server.url, processes=2, grace=3600.0) as api:
        api.wait_for_log("listening")
        yield api


def children(api: ApiProcess) -> list[psutil.Process]:
    return [child for child in psutil.Process(api.process.pid).children() if not is_gone(child)]


def titles(api: ApiProcess) -> list[str]:
    return sorted(child.cmdline()[0] for child in children(api))


def clients(process: psutil.Process, port: int) -> int:
    """Return how many connections it has taken."""
    connections = process.net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in connections)


def test_each_process_has_a_cpu_and_a_share_of_the_connections_of_one_port(api: ApiProcess) -> None:
    assert titles(api) == ["jobworker api process 0", "jobworker api process 1"]
    cpus = usable_cpus()
    wanted = sorted(cpus[-1 - number % len(cpus)] for number in range(2))
    assert sorted(cpu for child in children(api) for cpu in child.cpu_affinity() or []) == wanted
    connections = [api.connect() for _ in range(64)]
    wait_until(lambda: sum(clients(child, api.port) for child in children(api)) == 64)
    assert all(clients(child, api.port) for child in children(api))
    for connection in connections:
        connection.sendall(POST)
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")
        connection.close()


def test_the_parent_has_one_thread_and_no_connection(api: ApiProcess) -> None:
    assert {api.request("POST", "/jobs").status for _ in range(8)} == {202}
    parent = psutil.Process(api.process.pid)
    assert parent.num_threads() == 1
    assert parent.net_connections("inet") == []


def test_one_that_dies_is_started_again_and_the_port_is_served_meanwhile(api: ApiProcess) -> None:
    victim = children(api)[0]
    victim.kill()
    died = api.wait_for_log("process ended")
    # Only now its socket is closed for certain: what has several threads looks dead before the last of them has let go.
    assert api.request("GET", "/livez").status == 200
    assert died["fate"] == "killed by SIGKILL"
    api.wait_for_log("listening")
    assert titles(api) == ["jobworker api process 0", "jobworker api process 1"]


def test_also_when_all_have_died(api: ApiProcess) -> None:
    for child in children(api):
        child.kill()
    api.wait_for_log("listening")
    api.wait_for_log("listening")
    assert api.request("POST", "/jobs").status == 202


def test_a_signal_drains_them_all(own_server: RedisServer) -> None:
    with running_api(own_server.url, processes=2, grace=3600.0) as api:
        api.wait_for_log("listening")
        slow = [api.connect() for _ in range(16)]
        own_server.freeze()
        for connection in slow:
            connection.sendall(POST)
        family = children(api)
        wait_until(lambda: sum(clients(child, api.port) for child in family) == 16)
        # Some service managers signal every process of a service, and our parent passes it on besides: still a drain.
        for process in (*family, psutil.Process(api.process.pid)):
            process.terminate()
        api.wait_for_log("draining")
        api.wait_for_log("draining")
        own_server.resume()
        for connection in slow:
            assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 202 ")  # noqa: B023  # called within this turn
            connection.close()
        assert api.wait() == 0
        assert all(map(is_gone, family))


def test_a_second_signal_ends_the_patience_of_all(api: ApiProcess) -> None:
    slow = [api.connect() for _ in range(16)]
    for connection in slow:
        connection.sendall(HALF_A_REQUEST)
    wait_until(lambda: sum(clients(child, api.port) for child in children(api)) == 16)
    api.process.send_signal(signal.SIGINT)
    api.wait_for_log("draining")
    api.wait_for_log("draining")
    assert api.process.poll() is None
    api.process.send_signal(signal.SIGINT)
    assert api.wait() == 0
    for connection in slow:
        connection.close()


def test_a_terminal_that_closes_drains_all_and_sigquit_hurries_them(api: ApiProcess) -> None:
    slow = [api.connect() for _ in range(16)]
    for connection in slow:
        connection.sendall(HALF_A_REQUEST)
    wait_until(lambda: sum(clients(child, api.port) for child in children(api)) == 16)
    api.process.send_signal(signal.SIGHUP)
    api.wait_for_log("draining")
    api.wait_for_log("draining")
    api.process.send_signal(signal.SIGHUP)
    slow[0].sendall(b"\r\n")
    assert slow[0].recv(65536).startswith(b"HTTP/1.1 202 ")
    assert api.process.poll() is None
    api.process.send_signal(signal.SIGQUIT)
    assert api.wait() == 0
    for connection in slow:
        connection.close()


def test_ctrl_c_reaches_the_parent_alone(api: ApiProcess) -> None:
    groups = {os.getpgid(child.pid) for child in children(api)}
    assert len(groups) == 2
    assert os.getpgid(api.process.pid) not in groups


def test_when_the_parent_is_killed_all_end_and_the_port_is_free(api: ApiProcess, redis_server: RedisServer) -> None:
    family = children(api)
    api.process.kill()
    wait_until(lambda: all(map(is_gone, family)))
    with running_api(redis_server.url, listen=f"127.0.0.1:{api.port}", processes=2) as again:
        assert again.request("GET", "/livez").status == 200


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (2, 2)])
def test_no_other_api_shares_the_port(redis_server: RedisServer, first: int, second: int) -> None:
    with running_api(redis_server.url, processes=first) as api:
        other = ApiProcess(redis_server.url, processes=second, listen=f"127.0.0.1:{api.port}")
        try:
            assert other.wait() == 1
        finally:
            other.close()
        assert other.log[-1].endswith("the port is in use; stop its owner or use --listen\n")


def test_a_url_that_is_none_is_said_once_and_nothing_is_started() -> None:
    api = ApiProcess("redis://localhost:x", processes=2)
    try:
        assert api.wait() == 1
    finally:
        api.close()
    assert sum("StoreMisconfigured: redis url" in line for line in api.log) == 1
    assert not any("listening" in line for line in api.log)


def jobs_posted(api: ApiProcess) -> float:
    text = api.request("GET", "/metrics").body.decode()
    found = 'jobworker_http_requests_total{method="POST",route="/jobs",status="202"} '
    return sum(float(line.removeprefix(found)) for line in text.splitlines() if line.startswith(found))


def test_whichever_is_asked_tells_the_requests_of_all_also_of_one_that_was_killed(api: ApiProcess) -> None:
    for _ in range(20):
        assert api.request("POST", "/jobs").status == 202
    assert {jobs_posted(api) for _ in range(8)} == {20.0}
    for child in children(api):
        child.kill()
        api.wait_for_log("process ended")
        api.wait_for_log("listening")
    assert {jobs_posted(api) for _ in range(8)} == {20.0}
    for _ in range(20):
        assert api.request("POST", "/jobs").status == 202
    assert {jobs_posted(api) for _ in range(8)} == {40.0}
