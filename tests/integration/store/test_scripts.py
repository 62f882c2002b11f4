"""The scripts as they are shipped, under the server's own clock; and a server that has forgotten them."""

import asyncio
from collections.abc import Awaitable, Callable

import redis
import redis.asyncio

from jobworker.store.claims import Attempted, Cancel, Wanted
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.scripts import script
from jobworker.store.states import Outcome
from tests.support.audit import audit
from tests.support.redis_source import RedisSource
from tests.support.world import settling

KEYS = Keys()


async def register(client: redis.asyncio.Redis, name: str = "alpha") -> Incarnation:
    who = Registration(host="host", pid=1, version="1", workers=1)
    return await Incarnation.register(client, KEYS, name, who, Terms(), lock_id="lock")


def with_async_client(source: RedisSource, body: Callable[[redis.asyncio.Redis], Awaitable[None]]) -> None:
    async def run() -> None:
        client = source.connect_async()
        try:
            await body(client)
        finally:
            await client.aclose()

    asyncio.run(run())


def test_a_life_of_jobs_under_the_servers_own_clock(redis_source: RedisSource, redis_client: redis.Redis) -> None:
    store = JobStore(redis_client, KEYS, Retention())

    async def live(client: redis.asyncio.Redis) -> None:
        alpha = await register(client)
        ids = [new_job_id() for _ in range(5)]
        store.enqueue([NewJob(job_id, "echo", priority=6 - place) for place, job_id in enumerate(ids)])
        store.enqueue([NewJob(new_job_id(), "echo", delay_ms=3_600_000)])
        answer = await alpha.exchange(1, [], [Wanted(1), Wanted(2), Wanted(3)])
        assert [claim.id for claim in answer.claims] == ids[:3]
        assert answer.next_due_ms is not None
        assert 3_590_000 < answer.next_due_ms <= 3_600_000
        first, second, third = answer.claims
        assert first.token > 1_700_000_000_000_000
        store.cancel(second.id)
        assert (await alpha.beat(Roster())).cancels == [Cancel(Attempted(second.id, second.token))]
        settles = [settling(first, Outcome.SUCCEEDED, result=b"1"), settling(second, Outcome.CANCELLED)]
        assert (await alpha.exchange(2, settles, [])).words == ["succeeded", "cancelled"]
        assert await alpha.reconcile(3, [Attempted(third.id, third.token)]) == []
        assert await alpha.leave() == 1
        assert [store.get(job_id).status for job_id in ids] == [
            "succeeded",
            "cancelled",
            "pending",
            "pending",
            "pending",
        ]

    with_async_client(redis_source, live)
    audit(redis_client)


def test_a_server_that_forgot_the_scripts_gets_them_again(redis_source: RedisSource, redis_client: redis.Redis) -> None:
    store = JobStore(redis_client, KEYS, Retention())
    ids = [new_job_id() for _ in range(2)]
    store.enqueue([NewJob(ids[0], "echo")])
    redis_client.script_flush()
    store.enqueue([NewJob(ids[1], "echo")])

    async def claim(client: redis.asyncio.Redis) -> None:
        alpha = await register(client)
        for call, job_id in enumerate(ids, 1):
            redis_client.script_flush()
            assert [claim.id for claim in (await alpha.exchange(call, [], [Wanted(1)])).claims] == [job_id]

    with_async_client(redis_source, claim)


def test_a_script_that_the_server_knows_is_run_by_its_digest(redis_client: redis.Redis) -> None:
    JobStore(redis_client, KEYS, Retention()).enqueue([NewJob(new_job_id(), "echo")])
    assert redis_client.script_exists(script("enqueue").digest) == [True]
