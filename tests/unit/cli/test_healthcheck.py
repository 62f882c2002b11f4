"""`jobworker healthcheck`: 0 or 1, one sentence, and nothing heavy loaded."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from jobworker.cli.address import url_of
from jobworker.supervisor.beatfile import Beat, BeatFile
from jobworker.supervisor.board import boottime_ns
from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def check(invoke: Invoke, folder: Path, age_seconds: float, *arguments: str) -> Result:
    """Check the supervisor `one` whose last beat is so old."""
    at_ns = boottime_ns() - round(age_seconds * 1e9)
    BeatFile(folder / "one.beat").write(Beat(4711, at_ns, redis=False, status="serving; Redis is away"))
    return invoke("healthcheck", "supervisor", "--name", "one", "--state-dir", str(folder), *arguments)


def test_a_fresh_beat_is_well_even_while_redis_is_away(invoke: Invoke, tmp_path: Path) -> None:
    result = check(invoke, tmp_path, 9)
    assert result.exception is None
    assert result.output == "supervisor one (pid 4711): serving; Redis is away\n"


def test_as_json(invoke: Invoke, tmp_path: Path) -> None:
    shown = json.loads(check(invoke, tmp_path, 5, "--json").output)
    assert 5 <= shown.pop("age_seconds") < 10
    assert shown == {"name": "one", "pid": 4711, "redis": False, "status": "serving; Redis is away"}


def test_an_old_beat_is_dead_or_stuck(invoke: Invoke, tmp_path: Path) -> None:
    assert sentence(check(invoke, tmp_path, 10.6)) == (
        "supervisor one (pid 4711) is dead or stuck: its last sign of life was 11 s ago"
    )


def test_a_beat_from_before_the_machine_started_is_old(invoke: Invoke, tmp_path: Path) -> None:
    assert sentence(check(invoke, tmp_path, -3600)).endswith("its last sign of life was before the machine started")


def test_no_beat_says_where_it_was_looked_for(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("healthcheck", "supervisor", "--name", "two", "--state-dir", str(tmp_path))
    assert sentence(result) == (
        f"no supervisor two runs here: there is no {tmp_path}/two.beat; --name and --state-dir say which is meant"
    )


def test_an_api_that_is_ready_is_well_and_its_warnings_are_shown(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"status": "ready", "warnings": ["no supervisor is running"]})
    result = invoke("healthcheck", "api")
    assert result.exception is None
    assert result.output == "the API takes jobs; no supervisor is running\n"
    assert [(asked.method, asked.path) for asked in stub.asked] == [("GET", "/readyz")]


def test_the_api_s_answer_as_json(invoke: Invoke, stub: StubApi) -> None:
    stub.will_answer({"status": "ready", "warnings": []})
    assert json.loads(invoke("healthcheck", "api", "--json").output) == {"status": "ready", "warnings": []}


def test_without_a_url_it_is_asked_where_it_listens(
    invoke: Invoke, stub: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOBWORKER_CLIENT_URL")
    listen = stub.url.removeprefix("http://").replace("127.0.0.1", "0.0.0.0")
    assert url_of(listen) == stub.url
    stub.will_answer({"status": "ready", "warnings": []})
    assert invoke("healthcheck", "api", "--listen", listen).exception is None


@pytest.mark.parametrize("status", [503, 404, 500])
def test_any_other_answer_is_one_sentence_and_code_1(invoke: Invoke, stub: StubApi, status: int) -> None:
    stub.will_refuse(status, "Redis is not reachable")
    result = invoke("healthcheck", "api")
    assert sentence(result) == "Redis is not reachable"
    assert getattr(result.exception, "exit_code", 0) == 1


def test_no_answer_is_one_sentence_and_code_1(invoke: Invoke, free_url: str) -> None:
    result = invoke("healthcheck", "api", "--url", free_url)
    assert sentence(result).startswith(f"the API at {free_url} is not reachable (Connection refused)")
    assert getattr(result.exception, "exit_code", 0) == 1


@pytest.mark.parametrize("part", ["supervisor", "api"])
def test_it_loads_nothing_heavy(part: str, tmp_path: Path, free_url: str) -> None:
    BeatFile(tmp_path / "one.beat").write(Beat(1, boottime_ns(), redis=True, status="serving"))
    arguments = {"supervisor": ["--name", "one", "--state-dir", str(tmp_path)], "api": ["--url", free_url]}[part]
    program = (
        "import sys; from jobworker.cli.main import main\n"
        "heavy = {'redis', 'falcon', 'waitress', 'rich', 'structlog', 'asyncio', 'psutil'}\n"
        f"try: main(['healthcheck', {part!r}, *{arguments!r}])\n"
        "except SystemExit as end: print(end.code, sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == f"{int(part == 'api')} []"
