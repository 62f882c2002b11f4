from pathlib import Path

import pytest

from benchmarks.document import BEGIN, END, PAGE, circumstances, write
from benchmarks.rows import Row


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(f"# Before\n\n{BEGIN}old\n{END}\nAfter\n")
    return path


def test_a_run_takes_the_place_of_the_run_before_and_touches_nothing_else(page: Path) -> None:
    write([Row("memory", 48.0, "MiB")], ["idle"], page)
    write([Row("memory", 49.0, "MiB")], ["loaded"], page)
    before, block = page.read_text().split(BEGIN)
    block, after = block.split(END)
    assert (before, after) == ("# Before\n\n", "\nAfter\n")
    assert "- loaded\n" in block
    assert "49 MiB" in block
    assert "idle" not in block
    assert "old" not in block


def test_the_page_has_its_block() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


@pytest.mark.real
def test_the_circumstances_name_command_machine_and_versions(shared_server: object) -> None:
    when, machine, versions = circumstances("python -m benchmarks")
    assert "`python -m benchmarks`" in when
    assert "CPUs" in machine
    assert "Python 3." in versions
    assert "redis" in versions
