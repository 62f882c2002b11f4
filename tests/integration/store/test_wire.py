"""Calls on one connection: each gets its own answer, also when callers know nothing of each other or give up."""

import asyncio

import pytest
import redis

from jobworker.store.connection import connect_shared_wire
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.real

ECHO = "return ARGV[1]"


def test_callers_share_one_connection_and_each_gets_its_own_answer(own_server: RedisServer) -> None:
    async def call() -> list[bytes]:
        wire = connect_shared_wire(own_server.url, timeout_seconds=5)
        answers = await asyncio.gather(*(wire.eval(ECHO, 0, number) for number in range(10)))
        await wire.aclose()
        return answers

    with redis.Redis(port=own_server.port) as admin:
        before = admin.info("stats")["total_connections_received"]
        assert asyncio.run(call()) == [b"%d" % number for number in range(10)]
        assert admin.info("stats")["total_connections_received"] == before + 1


def test_who_gives_up_leaves_its_answer_to_nobody(own_server: RedisServer) -> None:
    async def call() -> bytes:
        wire = connect_shared_wire(own_server.url, timeout_seconds=5)
        await wire.eval(ECHO, 0, "first")
        given_up, waiting = (asyncio.create_task(wire.eval(ECHO, 0, word)) for word in ("given up", "waiting"))
        # Until the call is sent and its answer is waited for.
        await asyncio.sleep(0)
        given_up.cancel()
        answer: bytes = await waiting
        await wire.aclose()
        assert given_up.cancelled()
        return answer

    assert asyncio.run(call()) == b"waiting"
