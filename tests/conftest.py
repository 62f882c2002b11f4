"""Fixtures that all tests share. A missing server skips on a laptop and fails in CI."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobworker.cli.embedded import find_server
from tests.support.redis_server import RedisServer
from tests.support.redis_source import RedisSource, fake_source, real_source

# Under nohup, or behind a `&` of a script, some signals arrive ignored, and what the tests start would inherit that and
# rightly respect it; but it is started to answer signals.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)


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
def redis_source(request: pytest.FixtureRequest) -> RedisSource:
    """An empty server: fakeredis, then a real one; what holds on one must hold on the other."""
    if request.param == "fake":
        return fake_source()
    server: RedisServer = request.getfixturevalue("redis_server")
    return real_source(server.port)


@pytest.fixture
def redis_client(redis_source: RedisSource) -> Iterator[redis.Redis]:
    """A client of `redis_source`."""
    client = redis_source.connect()
    yield client
    client.close()


def _new_server(directory: Path) -> RedisServer:
    if find_server() is None:
        message = "no redis-server, valkey-server or extra `embedded`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return RedisServer(directory)
