"""What the tests of the command line share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from jobworker.cli.address import free_port
from jobworker.cli.main import cli
from tests.unit.cli.stub_api import StubApi


@pytest.fixture
def free_url() -> str:
    """A URL at which nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def stub() -> Iterator[StubApi]:
    """An HTTP server that gives the answers it is told to give."""
    with StubApi() as api:
        yield api


@pytest.fixture
def invoke(stub: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command against the stub; what ends in one line on stderr is kept as `result.exception`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBWORKER_CLIENT_URL", stub.url)

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, standalone_mode=False)

    return run


def sentence(result: Result) -> str:
    """Return the line that the command ended with."""
    assert isinstance(result.exception, click.ClickException), result
    return result.exception.format_message()
