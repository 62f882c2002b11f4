from typing import Any

import click
import pytest
from click.testing import CliRunner

from jobworker.cli.main import cli
from jobworker.cli.options import ALIASES, METAVARS, with_settings
from jobworker.store.configuration import Loaded
from jobworker.store.setting import SETTINGS
from jobworker.store.settings import Settings


def loaded(*arguments: str, sections: tuple[str, ...] = ("supervisor", "api", "jobs", "state", "log")) -> Loaded:
    seen: list[Loaded] = []
    command = click.command()(with_settings(*sections)(seen.append))
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return seen[0]


def option_names(command: str) -> set[str]:
    return {name for parameter in cli.commands[command].params for name in parameter.opts}


def test_the_alias_and_the_generated_name_are_the_same_option() -> None:
    assert loaded("--workers", "3") == loaded("--supervisor-workers", "3")
    assert loaded("--workers", "3").settings.supervisor.workers == 3


def test_an_option_that_is_not_given_overrides_nothing() -> None:
    assert loaded().settings == Settings()


def test_a_list_is_given_item_by_item() -> None:
    assert loaded("--queue", "a=2", "--queue", "b").settings.supervisor.queues == ("a=2", "b")
    assert loaded("--handlers", "a,b.py").settings.supervisor.handlers == ("a,b.py",)


@pytest.mark.parametrize(
    ("arguments", "section", "key", "value"),
    [
        (["--no-auth"], "api", "no_auth", True),
        (["--api-no-auth"], "api", "no_auth", True),
        (["--not-api-no-auth"], "api", "no_auth", False),
        (["--jobs-backoff-jitter"], "jobs", "backoff_jitter", True),
        (["--no-jobs-backoff-jitter"], "jobs", "backoff_jitter", False),
    ],
)
def test_a_flag_can_be_raised_and_lowered(arguments: list[str], section: str, key: str, value: Any) -> None:
    found = loaded(*arguments)
    assert getattr(getattr(found.settings, section), key) is value
    assert found.sources[f"{section}.{key}"] == "command line"


def test_a_bad_item_of_a_list_is_shown() -> None:
    with pytest.raises(click.BadParameter, match=r"\['a=0'\] is not allowed; allowed: a list; each item: NAME"):
        loaded("--queue", "a=0")


def test_an_option_of_another_section_is_unknown() -> None:
    with pytest.raises(click.NoSuchOption):
        loaded("--threads", "3", sections=("supervisor",))


@pytest.mark.parametrize(
    ("command", "sections"),
    [
        ("up", {"redis", "jobs", "supervisor", "api", "log", "state"}),
        ("supervisor", {"redis", "jobs", "supervisor", "log", "state"}),
        ("api", {"redis", "jobs", "api", "log"}),
        ("submit", {"client"}),
        ("job", {"client"}),
        ("pause", {"client"}),
        ("resume", {"client"}),
    ],
)
def test_every_setting_of_a_command_s_sections_is_an_option(command: str, sections: set[str]) -> None:
    wanted = {setting.option for setting in SETTINGS.values() if setting.section in sections}
    others = {setting.option for setting in SETTINGS.values() if setting.section not in sections}
    assert wanted <= option_names(command)
    assert not others & option_names(command)


def test_aliases_and_metavars_name_settings_that_exist() -> None:
    assert set(ALIASES) | set(METAVARS) <= set(SETTINGS)


def test_no_name_means_two_options() -> None:
    for command in cli.commands.values():
        names = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
        assert len(names) == len(set(names)), command.name
