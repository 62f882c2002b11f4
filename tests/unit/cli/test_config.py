import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from jobworker.store.setting import SETTINGS
from tests.unit.cli.conftest import sentence

Invoke = Callable[..., Result]


def test_every_setting_is_shown_with_its_source(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBWORKER_SUPERVISOR_SPARES", "2")
    lines = invoke("config", "--workers", "4").output.splitlines()
    shown = [line.split(maxsplit=2) for line in lines]
    assert [words[0] for words in shown] == list(SETTINGS)
    assert ["supervisor.workers", "4", "command line"] in shown
    assert ["supervisor.spares", "2", "environment JOBWORKER_SUPERVISOR_SPARES"] in shown
    assert ["redis.timeout", "2.0", "default"] in shown


def test_passwords_are_masked_in_both_forms(invoke: Invoke) -> None:
    assert "pw" not in invoke("config", "--redis", "redis://:pw@host/0").output
    assert "pw" not in invoke("config", "--redis", "redis://:pw@host/0", "--json").output


def test_json_holds_values_as_they_are(invoke: Invoke) -> None:
    shown = json.loads(invoke("config", "--json", "--queue", "a=2", "--queue", "b").output)
    assert shown["supervisor.queues"] == {"value": ["a=2", "b"], "source": "command line"}


def test_what_is_ignored_is_said_on_stderr(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBWORKER_COLOUR", "red")
    result = invoke("config")
    assert result.stderr == "jobworker: ignored in the environment, for there is no such setting: JOBWORKER_COLOUR\n"


def test_handlers_of_the_file_are_shown_with_their_secrets_masked(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "jobworker.toml"
    file.write_text('[http."a.b"]\nurl = "https://x"\nheaders = {Authorization = "Bearer pw"}\n')
    table = '{"url":"https://x","headers":{"Authorization":"***"}}'
    assert invoke("config").output.splitlines()[-1] == f"http.a.b  {table}  file {file}"
    shown = json.loads(invoke("config", "--json").output)
    assert shown["http.a.b"] == {"value": json.loads(table), "source": f"file {file}"}
    file.write_text("[exec]\na = 1\n")
    assert "has something else than tables in [exec]" in sentence(invoke("config"))
