import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobworker.cli.address import free_port
from jobworker.cli.embedded import MAX_SOCKET_PATH_BYTES
from tests.support.command import clean_environment, is_gone
from tests.support.redis_server import RedisServer
from tests.support.up import Up
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def one_line(up: Up) -> str:
    """Return all that a failed start has said; nothing of it may be left."""
    assert up.wait() == 1
    assert up.out == ""
    assert "Traceback" not in up.err
    (line,) = [line for line in up.err.splitlines() if not line.startswith("{")]
    return line


def test_it_needs_nothing_and_runs_the_printed_curl_line(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        assert f"  api         {up.url}\n" in up.out
        assert f"data in {tmp_path}/.jobworker\n" in up.out
        (line,) = [line for line in up.out.splitlines() if line.strip().startswith("curl ")]
        assert line.strip() == (
            f"""curl -X POST {up.url}/jobs -H 'Content-Type: application/json' -d '{{"priority": 5}}'"""
        )
        answer = up.client.post("/jobs", {"priority": 5})
        assert answer["status"] == "pending"
        up.wait_for_status(answer["id"], "succeeded")
        parts = up.descendants()
        assert up.drain() == 0
        assert all(map(is_gone, parts))
        assert "Traceback" not in up.err


def test_it_says_that_it_leaves_out_the_queue_of_jobs_that_name_none(tmp_path: Path) -> None:
    with Up(tmp_path, "--queue", "mail=2", "--queue", "images=1") as up:
        up.ready()
        assert "  queues      mail, images alone: jobs that name no queue wait in default, unserved\n" in up.out
        up.client.post("/jobs", {})
        assert up.client.get("/readyz")["warnings"] == [
            "jobs wait in queues that no running supervisor serves: default"
        ]
        assert up.drain() == 0
    with Up(tmp_path, "--queue", "mail", "--queue", "default") as up:
        assert "  queues  " not in up.ready().out
        assert up.drain() == 0


def test_all_it_is_told_reaches_its_parts(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from jobworker.handlers import handler\n"
        "@handler('double')\n"
        "def double(number: int) -> int:\n"
        "    return 2 * number\n"
    )
    (tmp_path / "jobworker.toml").write_text("[jobs]\npriority = 8\n")
    environ = clean_environment(JOBWORKER_JOBS_TIMEOUT="77", JOBWORKER_COLOUR="red")
    with Up(tmp_path, "--handlers", "mine.py", "--name", "worker-1", "--log-format", "console", environ=environ) as up:
        up.ready()
        job = up.wait_for_status(up.submit("double", 21), "succeeded")
        assert (job["result"], job["priority"], job["timeout"], job["supervisor"]) == (42, 8, 77.0, "worker-1")
        assert up.drain() == 0
        assert up.err.count("JOBWORKER_COLOUR") == 1


def test_secrets_are_on_no_command_line(tmp_path: Path, own_server: RedisServer) -> None:
    # The default user has no password, and takes any.
    url = own_server.url.replace("://", "://default:hunter2@")
    with Up(tmp_path, environ=clean_environment(JOBWORKER_REDIS_URL=url)) as up:
        up.ready()
        assert not [process for process in up.descendants() if "hunter2" in " ".join(process.cmdline())]
        assert up.drain() == 0
        assert "hunter2" not in up.out + up.err


def test_with_a_redis_it_starts_no_server(tmp_path: Path, own_server: RedisServer) -> None:
    with Up(tmp_path, "--redis", own_server.url) as up:
        up.ready()
        assert not [process for process in up.descendants() if "-server" in process.name()]
        up.wait_for_status(up.submit("echo", 1), "succeeded")
        assert up.drain() == 0


def test_a_redis_that_comes_later_is_waited_for(tmp_path: Path, own_server: RedisServer) -> None:
    own_server.kill()
    # Of several API processes each learns for itself, within half a second, that Redis is there.
    with Up(tmp_path, "--redis", own_server.url, "--processes", "1") as up:
        up.wait_for("cannot register")
        own_server.start()
        up.ready()
        up.wait_for_status(up.submit("echo", 1), "succeeded")
        assert "Traceback" not in up.err


def test_while_it_waits_for_redis_it_can_be_stopped(tmp_path: Path) -> None:
    with Up(tmp_path, "--redis", f"redis://127.0.0.1:{free_port()}/0") as up:
        up.wait_for("cannot register")
        assert up.drain() == 0
        assert "jobworker is up" not in up.out


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Up(tmp_path, "--listen", f"127.0.0.1:{port}") as up:
            line = one_line(up)
    assert line == f"jobworker: cannot listen on 127.0.0.1:{port}: the port is in use; stop its owner or use --listen"


def test_a_port_that_nobody_could_be_told_is_refused(tmp_path: Path) -> None:
    with Up(tmp_path, "--listen", "127.0.0.1:0") as up:
        assert one_line(up) == "jobworker: --listen needs a port that clients can be told, not 0"


def test_listening_for_everybody_needs_to_be_said(tmp_path: Path) -> None:
    with Up(tmp_path, "--listen", f"0.0.0.0:{free_port()}") as up:
        assert "--no-auth" in one_line(up)


def test_a_second_one_in_the_same_directory_is_one_sentence(tmp_path: Path) -> None:
    with Up(tmp_path) as first:
        first.ready()
        second_output = tmp_path / "second"
        second_output.mkdir()
        with Up(second_output, "--state-dir", str(tmp_path / ".jobworker")) as second:
            line = one_line(second)
        assert line == f"jobworker: jobworker up is already running in {tmp_path}/.jobworker (pid {first.process.pid})"
        first.wait_for_status(first.submit("echo", 1), "succeeded")


def test_a_state_directory_that_cannot_be_one_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Up(tmp_path, "--state-dir", "file") as up:
        assert one_line(up) == (
            f"jobworker: the state directory {tmp_path}/file cannot be used: File exists; --state-dir names another"
        )


def test_a_handler_module_that_does_not_import_is_said_once_and_ends_everything(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    with Up(tmp_path, "--handlers", "broken.py") as up:
        assert up.wait() == 1
        # The traceback is the handler author's own, and ends where his file does.
        assert f'File "{tmp_path}/broken.py", line 1, in <module>' in up.err
        assert up.err.count("jobworker: ") == 1
        assert "jobworker: handlers file broken.py does not import: ModuleNotFoundError" in up.err
        assert "jobworker is up" not in up.out


def test_data_that_the_server_cannot_read_is_explained_by_its_log(tmp_path: Path) -> None:
    files = tmp_path / ".jobworker" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with Up(tmp_path) as up:
        line = one_line(up)
    assert line.startswith("jobworker: the server did not start (exit code 1): ")


def test_a_very_deep_directory_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES) / "e"
    deep.mkdir(parents=True)
    with Up(deep) as up:
        up.ready()
        up.wait_for_status(up.submit("echo", 1), "succeeded")
        assert up.drain() == 0


def test_a_file_of_the_user_s_cannot_stand_in_for_a_library(tmp_path: Path) -> None:
    for name in ("click", "redis", "queue", "jobworker", "msgspec"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken for a library')\n")
    with Up(tmp_path) as up:
        up.ready()
        assert up.drain() == 0


def test_ctrl_c_reaches_the_parts_only_through_up(tmp_path: Path) -> None:
    # The whole foreground group gets the signal, as from a terminal.
    with Up(tmp_path) as up:
        up.ready()
        groups = {os.getpgid(process.pid) for process in up.descendants()}
        assert os.getpgid(up.process.pid) not in groups
        up.signal(signal.SIGINT)
        assert up.wait(40) == 0


def test_on_a_terminal_that_closes_it_drains(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        parts = up.descendants()
        up.signal(signal.SIGHUP)
        assert up.wait(40) == 0
        wait_until(lambda: all(map(is_gone, parts)))


def test_help_of_up_names_the_usual_options() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "jobworker.cli", "up", "--help"], capture_output=True, text=True, check=True
    )
    assert all(name in ended.stdout for name in ("--redis", "--handlers", "--workers", "--listen", "--state-dir"))
