"""What tests of several parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.claims import Claim
from jobworker.store.retention import Retention
from tests.support.redis_server import RedisServer, running_replica
from tests.support.redis_source import real_source
from tests.support.world import Supervisor, World


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """A network to an empty server that the test may break; asked for before `place` it outlives the supervisors."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def direct(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client that does not go through the proxy."""
    client = redis.Redis(port=redis_server.port)
    yield client
    client.close()


@pytest.fixture
def replica(own_server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A replica of the test's own server."""
    with running_replica(own_server, tmp_path / "replica") as replica:
        yield replica


@pytest.fixture
def world(redis_server: RedisServer) -> Iterator[World]:
    """Both sides of the store on the shared server, beside whatever else runs on it."""
    world = World(real_source(redis_server.port), Retention())
    yield world
    world.close()


@pytest.fixture
def alpha(world: World) -> Supervisor:
    return world.register("alpha")


@pytest.fixture
def claim(world: World, alpha: Supervisor) -> Claim:
    world.enqueue()
    return alpha.claim_one()
