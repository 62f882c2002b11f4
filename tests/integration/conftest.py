"""What tests of several parts share."""

from collections.abc import Iterator

import pytest

from jobworker.cli.chaos.proxy import Proxy
from tests.support.redis_server import RedisServer


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """A network to an empty server that the test may break; asked for before `place` it outlives the supervisors."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()
