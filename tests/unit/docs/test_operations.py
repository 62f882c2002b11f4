"""docs/operations.md speaks with the words of the code."""

import re
from pathlib import Path

import pytest

from jobworker.cli.main import cli
from jobworker.store.setting import SETTINGS
from tests.support.stage import PERMISSIONS

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "operations.md").read_text()
FOLDERS = ("api", "cli", "client", "handlers", "store", "supervisor")


@pytest.fixture(scope="module")
def code() -> str:
    """Every text of the code; a line break within one is not seen."""
    sources = [file.read_text() for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return re.sub(r'"\s+f?"', "", "".join(sources))


def said() -> list[str]:
    """What the tables of troubles and failures quote, up to where a value begins."""
    troubles, _, failures = TEXT.partition("## What Redis can do to you")[2].partition(
        "## What each failure looks like"
    )
    cells = [cell for row in _rows(troubles) for cell in row[2:4]] + [row[2] for row in _rows(failures)]
    quotes = [quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell)]
    return [quote for quote in quotes if quote.count(" ") >= 3]


def _rows(text: str) -> list[list[str]]:
    return [line.split("|") for line in text.splitlines() if line.startswith("| ")]


def test_the_table_quotes_the_code(code: str) -> None:
    assert len(said()) >= 30
    for quote in said():
        # Names, numbers and addresses are the example's; so is what Redis itself or the user's module says.
        constant = re.split(r" one\b| \d|127\.0|0\.0\.0\.0|: [A-Z]|: max|…| work\.py", quote)[0]
        assert constant.strip() in code, quote


def test_the_permissions_that_it_asks_for_are_those_that_the_tests_get_by_with() -> None:
    assert f"ACL SETUSER jobworker on >PASSWORD {PERMISSIONS}\n" in TEXT


def test_every_setting_that_it_names_is_one() -> None:
    named = set(re.findall(r"JOBWORKER_[A-Z_]+", TEXT))
    assert named
    assert named <= {setting.variable for setting in SETTINGS.values()}


def test_every_command_that_it_names_is_one() -> None:
    named = set(re.findall(r"`jobworker ([a-z]+)", TEXT))
    assert named
    assert named <= set(cli.commands)
