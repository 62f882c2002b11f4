"""Fixtures that all tests share. A missing server skips on a laptop and fails in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

from jobworker.cli.embedded import find_server
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for the session; use `redis_server`, which empties it."""
    server = _new_server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis_server(shared_server: RedisServer) -> RedisServer:
    """A real server, empty."""
    with redis.Redis(port=shared_server.port) as client:
        client.flushall()
        client.script_flush()
    return shared_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real server that the test may kill, freeze and start again."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = _new_server(directory)
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def redis_client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """An empty server: fakeredis, then a real one; what holds on one must hold on the other."""
    if request.param == "fake":
        yield fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), version=(7,))
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    client = redis.Redis(port=server.port)
    yield client
    client.close()


def _new_server(directory: Path) -> RedisServer:
    if find_server() is None:
        message = "no redis-server, valkey-server or extra `embedded`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return RedisServer(directory)
