"""Where a test's Redis clients come from: one empty server, fake or real, for threads and for asyncio."""

from collections.abc import Callable
from typing import NamedTuple

import fakeredis
import fakeredis.aioredis
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry


class RedisSource(NamedTuple):
    """Makes clients of one server."""

    connect: Callable[[], redis.Redis]
    connect_async: Callable[[], redis.asyncio.Redis]


def fake_source() -> RedisSource:
    """Return a source of clients that share one fakeredis, empty."""
    server = fakeredis.FakeServer()
    return RedisSource(
        lambda: fakeredis.FakeStrictRedis(server=server, version=(7,)),
        lambda: fakeredis.aioredis.FakeRedis(server=server, version=(7,)),
    )


def real_source(port: int) -> RedisSource:
    """Return a source of clients of the server on this port; like ours, they do not retry."""
    return RedisSource(
        lambda: redis.Redis(port=port, retry=Retry(NoBackoff(), 0)),
        lambda: redis.asyncio.Redis(port=port, retry=AsyncRetry(NoBackoff(), 0)),
    )
