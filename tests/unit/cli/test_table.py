import sys
from typing import Any

import pytest

from jobworker.cli.table import Column, show

COLUMNS = [
    Column("NAME", lambda item: str(item["name"])),
    Column("SIZE", lambda item: str(item["size"]), right=True),
    Column("NOTE", lambda item: str(item.get("note", ""))),
]


def shown(capsys: pytest.CaptureFixture[str], *items: dict[str, Any]) -> list[str]:
    show(COLUMNS, items)
    return capsys.readouterr().out.splitlines()


def test_columns_are_aligned_and_numbers_stand_at_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"name": "a", "size": 7, "note": "x"}, {"name": "longer", "size": 12_000}]
    assert shown(capsys, *items) == [
        "NAME     SIZE  NOTE",
        "a           7  x",
        "longer  12000",
    ]


def test_without_items_only_the_titles_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == ["NAME  SIZE  NOTE"]


def test_a_cell_is_one_line_and_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    (_, row) = shown(capsys, {"name": "a\nb\tc\x1b[2J", "size": 1})
    assert row == "a b c\\x1b[2J     1"


def test_on_a_terminal_text_is_not_taken_for_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    printed = "\n".join(shown(capsys, {"name": "[red]a\x1b[2J", "size": 1}))
    assert "[red]a\\x1b[2J" in printed
    assert "\x1b[2J" not in printed
    assert "\x1b[" in printed  # its titles are styled


def test_on_a_narrow_terminal_what_is_to_be_copied_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    job_id = "01a20c1d-68be-72fb-82e7-a2555118f737"
    (_, row) = shown(capsys, {"name": job_id, "size": 1, "note": "n" * 100})
    assert row.split() == [job_id, "1", "n" * 100]
