"""Networks and servers that fail between a request and its answer: nothing runs twice, no answer is mistaken."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
import redis.asyncio

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.claims import ExchangeAnswer, Wanted
from jobworker.store.connection import connect, connect_async
from jobworker.store.errors import StoreUnavailable
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, OldCall, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.states import Outcome
from tests.support.audit import audit
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.world import settling

pytestmark = pytest.mark.real

KEYS = Keys()
#: Each test that times out waits this long; a busy machine must answer within it.
TIMEOUT_SECONDS = 1.0


@pytest.fixture
def store(proxy: Proxy) -> Iterator[JobStore]:
    """The clients' side, through the proxy."""
    store = JobStore.connect(proxy.url, timeout_seconds=TIMEOUT_SECONDS, prefix="jobworker", retention=Retention())
    yield store
    store.close()


def calls_of(client: redis.Redis, command: str) -> int:
    statistics: Any = client.info("commandstats")
    return int(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_a_client_does_not_repeat_a_command_whose_reply_was_lost(proxy: Proxy, direct: redis.Redis) -> None:
    client = connect(proxy.url, timeout_seconds=TIMEOUT_SECONDS)
    client.ping()
    proxy.lose_next_reply()
    with pytest.raises(redis.ConnectionError):
        client.incr("count")
    assert direct.get("count") == b"1"
    assert client.incr("count") == 2
    client.close()


def test_an_asyncio_client_does_not_repeat_a_command_whose_reply_was_lost(proxy: Proxy, direct: redis.Redis) -> None:
    async def run() -> None:
        client = connect_async(proxy.url, timeout_seconds=TIMEOUT_SECONDS)
        await client.ping()
        proxy.lose_next_reply()
        with pytest.raises(redis.ConnectionError):
            await client.incr("count")
        assert direct.get("count") == b"1"
        assert await client.incr("count") == 2
        await client.aclose()

    asyncio.run(run())


def test_an_enqueue_whose_reply_was_lost_may_be_repeated(proxy: Proxy, store: JobStore, direct: redis.Redis) -> None:
    store.enqueue([NewJob(new_job_id(), "echo")])
    job = NewJob(new_job_id(), "echo")
    before = calls_of(direct, "evalsha")
    proxy.lose_next_reply()
    with pytest.raises(StoreUnavailable):
        store.enqueue([job])
    assert calls_of(direct, "evalsha") == before + 1
    assert store.get(job.id).status == "pending"
    assert [accepted.status for accepted in store.enqueue([job])] == ["pending"]
    audit(direct)


def test_a_timeout_is_reported_in_time_and_the_next_call_reads_its_own_answer(
    proxy: Proxy, store: JobStore, direct: redis.Redis
) -> None:
    first, second = NewJob(new_job_id(), "echo", queue="first"), NewJob(new_job_id(), "echo", queue="second")
    store.enqueue([first, second])
    proxy.black_hole()
    with pytest.raises(StoreUnavailable):
        store.get(first.id)
    proxy.pass_on()
    assert store.get(second.id).queue == "second"


@pytest.mark.parametrize("failure", ["refuse", "reset"])
def test_a_store_that_was_away_is_back_without_help(proxy: Proxy, store: JobStore, failure: str) -> None:
    job = NewJob(new_job_id(), "echo")
    store.enqueue([job])
    getattr(proxy, failure)()
    with suppress(StoreUnavailable):
        store.get(job.id)
    proxy.pass_on()
    assert store.get(job.id).status == "pending"


def test_a_server_that_is_killed_and_started_again_is_back_without_help(own_server: RedisServer) -> None:
    store = JobStore.connect(own_server.url, timeout_seconds=5, prefix="jobworker", retention=Retention())
    job = NewJob(new_job_id(), "echo")
    store.enqueue([job])
    own_server.kill()
    with pytest.raises(StoreUnavailable):
        store.get(job.id)
    own_server.start()
    assert store.get(job.id).status == "pending"
    store.close()


Supervising = Callable[[Incarnation, redis.asyncio.Redis], Awaitable[None]]


def supervise(proxy: Proxy, supervising: Supervising) -> None:
    """Run the body with an incarnation on a connection through the proxy."""

    async def run() -> None:
        client = connect_async(proxy.url, timeout_seconds=TIMEOUT_SECONDS)
        who = Registration(host="host", pid=1, version="1", workers=1)
        alpha = await Incarnation.register(client, KEYS, "alpha", who, Terms(), lock_id="lock")
        await alpha.exchange(1, [], [])
        await supervising(alpha, client)
        await client.aclose()

    asyncio.run(run())


def claim_of(alpha: Incarnation, call: int) -> Awaitable[ExchangeAnswer]:
    return alpha.exchange(call, [], [Wanted(1)])


def test_an_exchange_whose_reply_was_lost_claims_once(proxy: Proxy, store: JobStore, direct: redis.Redis) -> None:
    jobs = [NewJob(new_job_id(), "echo") for _ in range(2)]
    store.enqueue(jobs)

    async def supervising(alpha: Incarnation, client: redis.asyncio.Redis) -> None:
        proxy.lose_next_reply()
        with pytest.raises(StoreUnavailable):
            await claim_of(alpha, 2)
        assert direct.hlen(KEYS.running("alpha", alpha.epoch)) == 1
        assert [claim.id for claim in (await claim_of(alpha, 2)).claims] == [jobs[0].id]

    supervise(proxy, supervising)
    audit(direct)


def test_a_settle_whose_reply_was_lost_counts_once(proxy: Proxy, store: JobStore, direct: redis.Redis) -> None:
    job = NewJob(new_job_id(), "echo")
    store.enqueue([job])

    async def supervising(alpha: Incarnation, client: redis.asyncio.Redis) -> None:
        (claim,) = (await claim_of(alpha, 2)).claims
        crash = [settling(claim, Outcome.CRASHED)]
        proxy.lose_next_reply()
        with pytest.raises(StoreUnavailable):
            await alpha.exchange(3, crash, [])
        assert (await alpha.exchange(3, crash, [])).words == ["pending"]

    supervise(proxy, supervising)
    assert store.get(job.id).crashes == 1


def test_a_request_that_arrives_after_reconcile_took_its_place_does_nothing(
    proxy: Proxy, redis_server: RedisServer, direct: redis.Redis
) -> None:
    """The network holds the exchange back, the supervisor gives up and reconnects, then the exchange arrives."""
    job = NewJob(new_job_id(), "echo")
    JobStore(direct, KEYS, Retention()).enqueue([job])

    async def supervising(alpha: Incarnation, client: redis.asyncio.Redis) -> None:
        proxy.black_hole()
        with pytest.raises(StoreUnavailable):
            await claim_of(alpha, 2)
        other = connect_async(redis_server.url, timeout_seconds=TIMEOUT_SECONDS)
        assert await alpha.on(other).reconcile(3, []) == []
        before = calls_of(direct, "evalsha")
        proxy.pass_on()
        wait_until(lambda: calls_of(direct, "evalsha") == before + 1)
        with pytest.raises(OldCall):
            await claim_of(alpha.on(other), 2)
        await other.aclose()

    supervise(proxy, supervising)
    assert JobStore(direct, KEYS, Retention()).get(job.id).status == "pending"
    audit(direct)


@pytest.mark.parametrize("gives_up", ["timeout", "cancelled"])
def test_after_a_call_that_was_given_up_the_next_reads_its_own_answer(own_server: RedisServer, gives_up: str) -> None:
    """The server is slow, not away: the answer of the call that was given up is on its way."""

    async def run() -> None:
        client = connect_async(own_server.url, timeout_seconds=5 if gives_up == "cancelled" else TIMEOUT_SECONDS)
        who = Registration(host="host", pid=1, version="1", workers=1)
        alpha = await Incarnation.register(client, KEYS, "alpha", who, Terms(), lock_id="lock")
        own_server.freeze()
        expected: type[Exception] = TimeoutError if gives_up == "cancelled" else StoreUnavailable
        with pytest.raises(expected):
            await asyncio.wait_for(claim_of(alpha, 1), TIMEOUT_SECONDS if gives_up == "cancelled" else 5)
        own_server.resume()
        assert await alpha.reconcile(2, []) == []
        assert (await alpha.beat(Roster())).running == 0
        await client.aclose()

    asyncio.run(run())
