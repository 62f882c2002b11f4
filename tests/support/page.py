"""A page of docs/, as a test reads it: by section, table and block of code."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Page:
    """One Markdown file."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text()

    def section(self, title: str) -> str:
        """Return what stands below a heading, up to the next one."""
        found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found, f"there is no section {title}"
        return found[1]

    def rows(self, title: str) -> list[list[str]]:
        """Return the cells of the one table in a section, without its head."""
        lines = [line for line in self.section(title).splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]

    def blocks(self, language: str) -> list[str]:
        """Return the fenced blocks of a language."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)


def quoted(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
