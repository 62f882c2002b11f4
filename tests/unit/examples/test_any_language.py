"""examples/any_language: its programs, run as a worker runs them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobworker.handlers import Retry, testing
from jobworker.handlers.errors import InvalidPayload
from jobworker.handlers.loading import load
from jobworker.handlers.registry import Registry

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "any_language"


@pytest.fixture
def run() -> Callable[..., Any]:
    registry = Registry()
    load([str(FOLDER / "jobworker.toml")], registry)

    def run(kind: str, payload: Any, **options: Any) -> Any:
        return testing.run(kind, payload, registry=registry, timeout=30, **options)

    return run


def test_the_checksum_of_a_file(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_bytes(b"content")
    expected = {"sha256": hashlib.sha256(b"content").hexdigest(), "attempt": 2}
    assert run("file.checksum", str(file), attempt=2) == expected


def test_a_file_that_is_not_there_yet_is_tried_again(run: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(Retry, match="absent is not there yet"):
        run("file.checksum", str(tmp_path / "absent"))


@pytest.mark.parametrize("payload", [5, '"', ""])
def test_what_is_no_path_is_refused(run: Callable[..., Any], payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        run("file.checksum", payload)


def test_the_longest_word(run: Callable[..., Any]) -> None:
    assert run("text.longest", ["three", "together", "words"]) == "together"
    assert run("text.longest", []) == ""
