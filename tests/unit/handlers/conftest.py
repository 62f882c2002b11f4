"""Fixtures of the handlers' tests: nothing declared or imported here reaches another test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.handlers.registry import Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that takes what the test declares."""
    registry = Registry()
    with registry.collecting():
        yield registry


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
