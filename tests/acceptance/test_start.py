"""What keeps `up` or a supervisor from starting is one clear sentence and an exit code, and nothing is left behind."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobworker.cli.address import free_port
from tests.support.command import Command
from tests.support.redis_server import RedisServer
from tests.support.up_process import UpProcess, processes_in

pytestmark = pytest.mark.real

TWICE = """
from jobworker.handlers import handler

@handler("mail.send")
def first() -> None: ...

@handler("mail.send")
def second() -> None: ...
"""


@contextmanager
def starting(directory: Path, *arguments: str) -> Iterator[Command]:
    directory.mkdir()
    listen = f"127.0.0.1:{free_port()}"
    with Command.jobworker("up", "--listen", listen, *arguments, directory=directory) as command:
        yield command


def refusal(directory: Path, *arguments: str, exit_code: int = 1) -> str:
    """Return what a start says that is refused."""
    with starting(directory, *arguments) as command:
        assert command.wait() == exit_code, command.err
        assert processes_in(directory) == []
        assert "jobworker is up" not in command.out
        return command.err


def one_sentence(directory: Path, *arguments: str) -> str:
    """Return what it says, which must be one line."""
    [sentence] = refusal(directory, *arguments).splitlines()
    return sentence


def test_two_in_one_directory(up: UpProcess, tmp_path: Path) -> None:
    state = up.directory / "state"
    sentence = one_sentence(tmp_path / "second", "--state-dir", str(state))
    assert f"already running in {state} (pid {up.process.pid})" in sentence
    assert up.run_job("echo", "unharmed")["result"] == "unharmed"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = one_sentence(tmp_path / "up", "--listen", address)
    assert address.rpartition(":")[2] in sentence
    assert "in use" in sentence


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sentence = one_sentence(tmp_path / "up", "--state-dir", str(tmp_path / "file"))
    assert str(tmp_path / "file") in sentence
    assert "--state-dir names another" in sentence


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("def broken(:", "invalid syntax"),
        ("raise RuntimeError('no licence')", "no licence"),
        (TWICE, "handler mail.send is declared twice"),
    ],
    ids=["import", "syntax", "exception", "twice"],
)
def test_handlers_that_cannot_be_loaded(tmp_path: Path, source: str, words: str) -> None:
    file = tmp_path / "shop_handlers.py"
    file.write_text(source)
    said = refusal(tmp_path / "up", "--handlers", str(file), "--log-format", "console")
    sentences = [line for line in said.splitlines() if line.startswith("jobworker: ")]
    assert any(words in line and "shop_handlers.py" in line for line in sentences), said
    assert "cli/" not in said, "no frames of ours"


def test_handlers_that_are_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "up", "--handlers", "nowhere.py")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workers", "0"), "--workers"),
        (("--workers", "many"), "--workers"),
        (("--listen", "here"), "--listen"),
        (("--redis", "http://x"), "--redis"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_wrong_usage_names_the_option_and_what_it_allows(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refusal(tmp_path / "up", *arguments, exit_code=2)


def test_a_redis_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    with UpProcess(tmp_path / "up", "--redis", server.url) as up:
        up.wait_for("cannot register; trying again")
        # The two start side by side: which is first is open.
        up.wait_for("listening")
        reply = up.post("/jobs", {})
        assert (reply.status, "Retry-After" in reply.headers) == (503, True)
        assert "Redis is not reachable" in up.err
        assert "Traceback" not in up.err
        server.start()
        try:
            assert up.ready().run_job("echo", "late")["result"] == "late"
            assert up.drain() == 0
        finally:
            server.close()


def test_a_second_supervisor_of_one_name(up: UpProcess, tmp_path: Path) -> None:
    state = str(up.directory / "state")
    options = ("--redis", f"unix://{state}/s", "--state-dir", state)
    with Command.jobworker("supervisor", *options, directory=tmp_path) as command:
        assert command.wait() == 1
        [sentence] = [line for line in command.err.splitlines() if line.startswith("jobworker: ")]
    assert "--name" in sentence
    assert "Traceback" not in command.err
    assert up.run_job("echo", "unharmed")["result"] == "unharmed"
