"""The repository's files, and the Compose file as Compose reads it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[3]
Compose = Callable[..., "subprocess.CompletedProcess[str]"]


def tool(name: str) -> str:
    """Return a program of the tox environment `compose`; elsewhere its tests are skipped."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed; `tox run -e compose` brings it")
    return found


@pytest.fixture(scope="session")
def compose() -> Compose:
    """Read a Compose file, without Docker."""
    program = tool("docker-compose")

    def read(file: Path, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        command = [program, "--file", str(file), "config", *options]
        own = {name: value for name, value in os.environ.items() if name != "HANDLERS"}
        return subprocess.run(command, env={**own, **environ}, capture_output=True, text=True, check=False)

    return read


@pytest.fixture(scope="session")
def project(compose: Compose) -> dict[str, Any]:
    """The project that `docker compose up` at the root brings up."""
    answer = compose(ROOT / "compose.yaml", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    return msgspec.json.decode(answer.stdout, type=dict[str, Any])
