"""What acceptance tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.cli.embedded import find_server
from tests.support.gate import Gate
from tests.support.up_process import UpProcess


@pytest.fixture(autouse=True, scope="session")
def needs_a_server(request: pytest.FixtureRequest) -> None:
    """As everywhere: without a server skipped on a laptop, failed in CI."""
    if find_server() is None:
        request.getfixturevalue("shared_server")


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    """One `up` for all tests that leave it as they find it."""
    with UpProcess(tmp_path_factory.mktemp("up")) as up:
        yield up.ready()


@pytest.fixture
def own_up(tmp_path: Path) -> Iterator[UpProcess]:
    """An `up` that the test may do anything to."""
    with UpProcess(tmp_path / "up") as up:
        yield up.ready()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()
