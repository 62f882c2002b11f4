"""The Dockerfile and what it copies: the whole package, and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.compose.conftest import ROOT, tool

DOCKERFILE = ROOT / "compose" / "Dockerfile"


@pytest.fixture(scope="session")
def allowed() -> list[str]:
    """What .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("*") < min(number for number, line in enumerate(lines) if line.startswith("!"))
    return [line[1:] for line in lines if line.startswith("!")]


def test_every_folder_of_the_package_is_sent_to_the_builder(allowed: list[str]) -> None:
    folders = re.search(r"^FOLDERS = \(([^)]*)\)", (ROOT / "setup.py").read_text(), re.MULTILINE)
    assert folders
    assert set(re.findall(r'"(\w+)"', folders[1])) == {name for name in allowed if (ROOT / name).is_dir()}


def test_what_is_sent_or_copied_exists(allowed: list[str]) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    for name in [*allowed, *(name for names in copied for name in names.split())]:
        assert (ROOT / name).exists(), name


def test_what_is_copied_by_name_is_sent(allowed: list[str]) -> None:
    for name in re.findall(r"compose/[\w.-]+\.txt", DOCKERFILE.read_text()):
        assert name in allowed


def test_the_image_runs_as_a_user_without_rights_and_gets_signals_itself() -> None:
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["jobworker"\]$', last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("FROM python:3.13-slim-trixie AS wheel", "FROM python AS wheel"),
        ("COPY . .", "COPPY . ."),
        ("USER 10001:10001", "USER root"),
        ("--from=wheel /wheels", "--from=whell /wheels"),
    ],
)
def test_a_broken_dockerfile_is_refused(tmp_path: Path, right: str, wrong: str) -> None:
    hadolint = tool("hadolint")
    text = DOCKERFILE.read_text()
    assert right in text
    broken = tmp_path / "Dockerfile"
    broken.write_text(text.replace(right, wrong))
    assert subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, check=False).returncode == 0
    assert subprocess.run([hadolint, str(broken)], capture_output=True, check=False).returncode != 0
