import socket
import subprocess
import sys

import pytest

from tests.unit.examples.conftest import FOLDER
from tests.unit.examples.stand_in import StandIn


def test_every_file_is_submitted_with_its_priority_and_the_hanging_one_first(stand_in: StandIn) -> None:
    assert _run(stand_in.url, "--limit", "20").returncode == 0

    first, *rest = stand_in.jobs.values()
    assert (first["type"], first["timeout"], first["max_attempts"], first["priority"]) == ("metrics.naive", 1, 1, 10)
    assert [set(body) for body in rest] == [{"type", "payload", "priority"}] * 20
    assert len({body["payload"]["path"] for body in rest}) == 20
    assert {body["priority"] for body in rest} <= {2, 5, 8}
    assert len({body["priority"] for body in rest}) > 1


def test_one_connection_carries_all_requests(stand_in: StandIn) -> None:
    _run(stand_in.url, "--limit", "20")

    assert stand_in.connections == 1


def test_the_table_shows_the_files_and_the_job_that_was_killed(stand_in: StandIn) -> None:
    output = _run(stand_in.url, "--limit", "20", "--rows", "5").stdout

    lines = output.splitlines()
    heading = next(index for index, line in enumerate(lines) if line.strip().startswith("file"))
    assert len([line for line in lines[heading + 1 :] if "succeeded" in line]) == 5
    (killed,) = [line for line in lines if "hangs.py" in line]
    assert killed.split()[1:5] == ["failed", "/", "timed_out", "1.00"]
    assert "submitted: 21 of 21" in lines
    assert "ended: 21 of 21" in lines
    assert lines[-1].startswith("all as intended")


def test_output_that_is_no_terminal_is_plain(stand_in: StandIn) -> None:
    output = _run(stand_in.url, "--limit", "5").stdout

    assert output.isascii()
    assert "\x1b" not in output


def test_a_job_that_fails_otherwise_than_intended_ends_the_script_with_1(stand_in: StandIn) -> None:
    _run(stand_in.url, "--limit", "3")
    path = list(stand_in.jobs.values())[-1]["payload"]["path"]
    stand_in.failing.add(path)

    ended = _run(stand_in.url, "--limit", "3")

    assert ended.returncode == 1
    assert ended.stderr == f"{path}: failed / raised: the message of raised\n"


def test_a_hanging_job_that_is_not_killed_at_its_deadline_ends_the_script_with_1(stand_in: StandIn) -> None:
    stand_in.hanging_outcome = "crashed"

    ended = _run(stand_in.url, "--limit", "1")

    assert ended.returncode == 1
    assert ended.stderr == "hangs.py should have been killed at its deadline, but is failed / crashed\n"


@pytest.mark.parametrize("trouble", [503, 429])
def test_an_api_that_asks_for_patience_is_asked_again(stand_in: StandIn, trouble: int) -> None:
    stand_in.troubles = [trouble, trouble]

    assert _run(stand_in.url, "--limit", "2").returncode == 0
    assert len(stand_in.jobs) == 3


def test_a_connection_that_breaks_is_made_anew(stand_in: StandIn) -> None:
    stand_in.troubles = [503, 0]

    assert _run(stand_in.url, "--limit", "2").returncode == 0
    assert stand_in.connections == 2


def test_a_refusal_ends_the_script_with_its_reason(stand_in: StandIn) -> None:
    stand_in.troubles = [422]

    ended = _run(stand_in.url, "--limit", "2")

    assert ended.returncode == 1
    assert ended.stderr == (
        "POST /jobs was answered 422: the type is unknown; known are echo, sleep; "
        "was it started with --handlers examples/stdlib_metrics/handlers.py?\n"
    )


def test_nobody_listening_ends_the_script_with_3_and_the_command_to_start() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port
        ended = _run(f"http://127.0.0.1:{unused.getsockname()[1]}")

    assert ended.returncode == 3
    assert "Connection refused; start it: jobworker up --handlers" in ended.stderr
    assert "Traceback" not in ended.stderr


def _run(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "run.py"), "--url", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
