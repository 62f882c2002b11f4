import json
from collections.abc import Callable

import pytest
from click.testing import Result

from jobworker.store.setting import SETTINGS

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
