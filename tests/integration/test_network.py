from collections.abc import Iterator
from contextlib import closing
from multiprocessing import active_children
from pathlib import Path

import pytest
import redis

from jobworker.cli.chaos.network import Network
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real


@pytest.fixture
def server(own_server: RedisServer) -> RedisServer:
    """A server that answers on a Unix socket too."""
    own_server.close()
    own_server.options = ("--unixsocket", str(own_server.directory / "s"))
    own_server.start()
    return own_server


@pytest.fixture
def network(server: RedisServer, tmp_path: Path) -> Iterator[Network]:
    """Two ways to it."""
    with closing(Network(str(server.directory / "s"), ["one", "two"])) as network:
        yield network


def client(network: Network, name: str) -> redis.Redis:
    return redis.Redis.from_url(network.urls[name], socket_timeout=0.2, retry=None)


def test_each_part_has_its_own_way_to_the_server(network: Network) -> None:
    with client(network, "one") as one, client(network, "two") as two:
        one.set("said by", "one")
        assert two.get("said by") == b"one"
        network.tell("one", "black_hole")
        with pytest.raises(redis.exceptions.TimeoutError):
            one.ping()
        assert two.ping()
        network.tell("one", "pass_on")
        assert one.ping()


def test_an_answer_can_be_lost(network: Network) -> None:
    with client(network, "one") as one, client(network, "two") as two:
        assert one.ping()
        network.tell("one", "lose_next_reply", after=1)
        assert one.ping()
        with pytest.raises(redis.exceptions.ConnectionError):
            one.incr("count")
        assert two.get("count") == b"1"


def test_it_ends_when_it_is_closed(server: RedisServer) -> None:
    network = Network(str(server.directory / "s"), ["one"])
    assert len(active_children()) == 1
    network.close()
    assert not active_children()
