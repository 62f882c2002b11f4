"""The example as a supervisor would load it, and an API that stands in for the real one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.handlers.loading import load
from jobworker.handlers.registry import Registry
from tests.unit.examples.stand_in import StandIn

FOLDER = Path(__file__).parents[3] / "examples" / "stdlib_metrics"


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The example's handlers."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = dict(sys.modules)
    registry = Registry()
    load([str(FOLDER / "handlers.py")], registry)
    yield registry
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


@pytest.fixture
def stand_in(metrics: Registry) -> Iterator[StandIn]:
    """An API that runs the example's handlers."""
    stand_in = StandIn(metrics)
    stand_in.start()
    yield stand_in
    stand_in.close()
