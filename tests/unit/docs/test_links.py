"""What the documents name is there: files, and the modules of the folders."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", without_code(document.read_text()))
    gone = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert not gone


def named_files() -> Iterator[str]:
    """Yield the files that ARCHITECTURE.md names; without a folder they are the supervisor's."""
    for name in re.findall(r"`([\w/]+\.(?:py|lua))`", ARCHITECTURE):
        yield name if "/" in name else f"supervisor/{name}"


def test_every_file_that_the_architecture_names_is_there() -> None:
    gone = [name for name in named_files() if not (ROOT / name).exists()]
    assert not gone


@pytest.mark.parametrize("folder", ["api", "client", "store", "supervisor", "cli/chaos"])
def test_the_architecture_names_every_module_of_a_folder_and_no_other(folder: str) -> None:
    table = ARCHITECTURE.partition(f"| {folder}/ | |\n")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[2] for line in table.splitlines()[1:]))
    assert sorted(named) == sorted(file.stem for file in (ROOT / folder).glob("[!_]*.py"))
