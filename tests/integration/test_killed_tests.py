"""Tests that are killed with -9 leave no server and no supervisor behind."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.command import Command, clean_environment, is_gone
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux"),
]

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pathlib, sys, time
from tests.support.api_process import ApiProcess
from tests.support.redis_server import RedisServer
from tests.support.supervisor_process import Workplace

folder = pathlib.Path(sys.argv[1])
server = RedisServer(folder)
server.start()
Workplace(server, folder).start(workers=1).wait_for("ready")
ApiProcess(server.url).wait_until_listening()
print("all run", flush=True)
time.sleep(600)
"""


def test_what_tests_have_started_dies_with_them(tmp_path: Path) -> None:
    folder = tmp_path / "of the killed"
    folder.mkdir()
    program = [sys.executable, "-c", TESTS, str(folder)]
    with Command(program, tmp_path, clean_environment(PYTHONPATH=str(ROOT))) as tests:
        tests.wait_for("all run", timeout_seconds=60)
        started = tests.descendants()
        names = " ".join(" ".join(process.cmdline()) for process in started)
        assert all(part in names for part in ("-server ", "jobworker supervisor one", "jobworker.api.server"))
        tests.process.kill()
        wait_until(lambda: all(map(is_gone, started)))
