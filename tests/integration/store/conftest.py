"""Fixtures of the store's tests."""

from collections.abc import Iterator

import pytest

from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention
from tests.support.redis_source import RedisSource
from tests.support.world import Supervisor, World


@pytest.fixture
def retention() -> Retention:
    """What the store keeps; tests override it by parametrising."""
    return Retention()


@pytest.fixture
def world(redis_source: RedisSource, retention: Retention) -> Iterator[World]:
    """The store on a watched server, fake and real."""
    world = World(redis_source, retention)
    yield world
    world.close()


@pytest.fixture
def store(world: World) -> JobStore:
    """The clients' side."""
    return world.store


@pytest.fixture
def alpha(world: World) -> Supervisor:
    """A supervisor that has just registered."""
    return world.register("alpha")
