"""The product as its user meets it: `jobworker up`, HTTP, signals."""

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from tests.support.command import Command, is_gone
from tests.support.redis_server import free_port
from tests.support.supervisor_process import HANDLERS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


class Up:
    """One `jobworker up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "work.py").write_text(HANDLERS)

    def start(self, *options: str) -> Command:
        self.command = Command.jobworker(
            *("up", "--listen", f"127.0.0.1:{self.port}", "--workers", "2", "--handlers", "work.py"),
            *("--handlers", "jobworker.handlers.builtin.trial", *options),
            directory=self.folder,
        )
        self.command.wait_for("curl", timeout_seconds=30)
        return self.command

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = None if body is None else msgspec.json.encode(body)
        connection.request(method, path, data, {} if body is None else {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = msgspec.json.decode(reply.read())
        connection.close()
        return reply.status, answer

    def submit(self, kind: str, payload: Any = None, **options: Any) -> str:
        status, answer = self.call("POST", "/jobs", {"type": kind, "payload": payload, **options})
        assert status == 202, answer
        return str(answer["id"])

    def get(self, job_id: str) -> Any:
        return self.call("GET", f"/jobs/{job_id}")[1]

    def end(self, job_id: str) -> Any:
        wait_until(lambda: self.get(job_id).get("ended_at"), 20)
        return self.get(job_id)

    def part(self, title: str) -> psutil.Process:
        """Return the process of `up` whose command line holds the words."""
        found = [process for process in self.command.descendants() if title in " ".join(process.cmdline())]
        assert found, title
        return found[0]

    def start_of(self, path: Path) -> int:
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text().split()[0])


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    yield running
    if hasattr(running, "command"):
        if running.command.process.poll() is None:
            running.command.signal(signal.SIGINT)
            running.command.wait(30)
        running.command.__exit__()


def test_the_contract_and_a_shot_worker(up: Up) -> None:
    up.start()
    for body in (None, {}, {"priority": 5}):
        status, answer = up.call("POST", "/jobs", body)
        assert (status, answer["status"]) == (202, "pending")
        assert up.end(answer["id"])["status"] == "succeeded"
    assert up.call("POST", "/jobs", {"priority": 11})[0] == 422
    assert up.call("POST", "/jobs/pause")[1]["message"] == "Job processing paused"
    waiting = up.submit("pid", priority=10)
    assert up.call("POST", "/jobs/resume")[1]["message"] == "Job processing resumed"
    assert up.end(waiting)["status"] == "succeeded"

    path = up.folder / "starts"
    job_id = up.submit("first.stays", {"path": str(path)})
    worker = up.start_of(path)
    running = up.get(job_id)
    assert (running["status"], running["worker"]) == ("running", worker)
    os.kill(worker, signal.SIGKILL)
    record = up.end(job_id)
    assert (record["status"], record["attempt"], record["crashes"]) == ("succeeded", 2, 1)
    assert record["attempts"][0]["outcome"] == "crashed"
    assert record["attempts"][0]["error"]["message"].startswith("SIGKILL before it reported")

    hung = up.end(up.submit("hang", {"how": "loop"}, timeout=1, max_attempts=1))
    assert (hung["status"], hung["attempts"][0]["outcome"]) == ("failed", "timed_out")
    assert hung["run_seconds"] >= 1


def test_every_part_may_be_killed_and_nothing_is_lost(up: Up) -> None:
    up.start()
    path = up.folder / "starts"
    job_id = up.submit("first.stays", {"path": str(path)})
    up.start_of(path)
    up.part("jobworker supervisor").kill()
    assert up.end(job_id)["attempts"][0]["outcome"] == "lost"
    delayed = up.submit("pid", delay=1)
    up.part("jobworker.cli api").kill()
    wait_until(lambda: _answers(up), 20)
    up.part("unixsocket:s").kill()
    wait_until(lambda: _answers(up), 20)
    assert up.end(delayed)["status"] == "succeeded"


def test_ctrl_c_drains_and_the_next_up_goes_on(up: Up) -> None:
    command = up.start()
    path = up.folder / "starts"
    running = up.submit("until.file", {"path": str(path)})
    up.start_of(path)
    later = up.submit("pid", delay=0.2)
    children = command.descendants()
    command.signal(signal.SIGINT)
    Path(f"{path}.go").touch()
    assert command.wait(30) == 0
    assert all(is_gone(child) for child in children)
    up.start()
    assert up.get(running)["result"] == "went"
    assert up.end(later)["status"] == "succeeded"


def test_a_second_up_a_taken_port_and_a_broken_module_are_one_sentence_each(up: Up, tmp_path: Path) -> None:
    up.start()
    other = tmp_path / "other"
    other.mkdir()
    (other / "broken.py").write_text("import no_such_module_anywhere\n")
    (other / "twice.py").write_text(
        "from jobworker.handlers import handler\n@handler('x')\ndef a(): pass\n@handler('x')\ndef b(): pass\n"
    )
    port = str(free_port())
    cases = [
        (("--listen", f"127.0.0.1:{port}", "--state-dir", str(up.folder / ".jobworker")), "already"),
        (("--listen", f"127.0.0.1:{up.port}"), str(up.port)),
        (("--listen", f"127.0.0.1:{port}", "--state-dir", "broken.py"), "broken.py"),
        (("--listen", f"127.0.0.1:{port}", "--handlers", "broken.py"), "No module named 'no_such_module_anywhere'"),
        (("--listen", f"127.0.0.1:{port}", "--handlers", "twice.py"), "declared twice"),
    ]
    for options, words in cases:
        with Command.jobworker("up", *options, directory=other) as command:
            assert command.wait(30) == 1, options
            assert words in command.err
            assert "cli/" not in command.err
    assert up.call("GET", "/livez")[0] == 200


def _answers(up: Up) -> bool:
    try:
        status, answer = up.call("GET", "/readyz")
    except OSError:
        return False
    return status == 200 and not answer["warnings"]
