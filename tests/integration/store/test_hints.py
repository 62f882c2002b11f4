"""Wake tokens and inboxes: hints, pushed when and only when there may be something to do, one token a list."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import INBOX_MS, Hint, Hints
from jobworker.store.job import NewJob
from jobworker.store.keys import Keys
from jobworker.store.states import Outcome
from tests.support.redis_source import RedisSource
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World, settling

ONE = {"default": 1, "*": 1}


def test_a_job_that_can_be_claimed_wakes_those_who_serve_its_queue_or_all(world: World) -> None:
    world.enqueue(queue="mail")
    assert world.tokens() == {"mail": 1, "*": 1}


def test_many_jobs_push_one_token(world: World) -> None:
    world.store.enqueue([NewJob(new_job_id(), "echo") for _ in range(3)])
    world.enqueue()
    assert world.tokens() == ONE


def test_jobs_of_several_queues_wake_each(world: World) -> None:
    world.store.enqueue([NewJob(new_job_id(), "echo", queue=queue) for queue in ("a", "b", "a")])
    assert world.tokens() == {"a": 1, "b": 1, "*": 1}


def test_a_repeat_and_a_refusal_wake_nobody(world: World) -> None:
    job = NewJob(new_job_id(), "echo")
    world.store.enqueue([job])
    world.tokens()
    world.store.enqueue([job])
    with pytest.raises(Exception, match="expires_at"):
        world.enqueue(expires_at_ms=START_MS)
    assert world.tokens() == {}


def test_a_new_earliest_due_time_wakes_and_a_later_one_does_not(world: World) -> None:
    world.enqueue(delay_ms=5000)
    assert world.tokens() == ONE
    world.enqueue(delay_ms=9000)
    assert world.tokens() == {}
    world.enqueue(delay_ms=4000)
    assert world.tokens() == ONE


def test_a_retry_that_is_due_first_wakes_others_too(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.tokens()
    alpha.settle(claim, Outcome.RAISED, delay_ms=100)
    assert world.tokens() == ONE


def test_a_claim_that_leaves_jobs_behind_wakes_the_next(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.enqueue()
    world.enqueue(queue="mail")
    world.tokens()
    alpha.claim(1)
    assert world.tokens() == {"default": 1, "mail": 1, "*": 1}


def test_a_claim_that_leaves_nothing_wakes_nobody(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.tokens()
    alpha.claim(1)
    assert world.tokens() == {}


def test_a_claim_wakes_nobody_for_what_is_paused(world: World, alpha: Supervisor) -> None:
    world.enqueue(queue="a")
    world.enqueue(queue="b")
    world.store.pause("a", who="ops")
    world.tokens()
    assert len(alpha.claim(2)) == 1
    assert world.tokens() == {}


@pytest.mark.parametrize(("want", "tokens"), [(1, {}), (0, ONE)])
def test_a_job_that_became_due_wakes_others_unless_it_was_claimed(
    world: World, alpha: Supervisor, want: int, tokens: dict[str, int]
) -> None:
    world.enqueue(delay_ms=1000)
    world.tokens()
    world.advance(1000)
    alpha.exchange(want=want)
    assert world.tokens() == tokens


def test_a_job_that_became_due_in_a_queue_we_do_not_serve_wakes_those_who_do(world: World, alpha: Supervisor) -> None:
    world.enqueue(queue="mail", delay_ms=1000)
    world.tokens()
    world.advance(1000)
    alpha.exchange(want=1, queues=["other"])
    assert world.tokens() == {"mail": 1, "*": 1}


def test_resuming_everything_wakes_all_queues(world: World) -> None:
    for queue in ("a", "b"):
        world.enqueue(queue=queue)
    world.store.pause(who="ops")
    world.tokens()
    world.store.resume()
    assert world.tokens() == {"a": 1, "b": 1, "*": 1}


def test_resuming_a_queue_wakes_that_queue(world: World) -> None:
    for queue in ("a", "b"):
        world.enqueue(queue=queue)
    world.store.pause("a", who="ops")
    world.tokens()
    world.store.resume("a")
    assert world.tokens() == {"a": 1, "*": 1}


@pytest.mark.parametrize(
    "put_back",
    [
        lambda alpha, claim: alpha.exchange(settling(claim, Outcome.SHUTDOWN)),
        lambda alpha, claim: alpha.reconcile(),
        lambda alpha, claim: alpha.leave(),
    ],
    ids=["settle", "reconcile", "leave"],
)
def test_a_job_that_is_put_back_wakes_whoever_may_have_it(
    world: World, alpha: Supervisor, put_back: Callable[..., object]
) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.tokens()
    put_back(alpha, claim)
    assert world.tokens() == ONE


def listen(
    source: RedisSource, queues: list[str], listening: Callable[[Hints], Awaitable[list[Hint | None]]]
) -> list[Hint | None]:
    async def run() -> list[Hint | None]:
        client = source.connect_async()
        try:
            return await listening(Hints(client, Keys(), "alpha", queues))
        finally:
            await client.aclose()

    return asyncio.run(run())


def wake_of(queue: str) -> Hint:
    return Hint(word="1", wake=Keys().wake(queue))


def test_who_serves_all_queues_hears_of_any(world: World, redis_source: RedisSource) -> None:
    world.enqueue(queue="mail")

    async def listening(hints: Hints) -> list[Hint | None]:
        return [await hints.wait(idle=True, seconds=1), await hints.wait(idle=True, seconds=0.02)]

    assert listen(redis_source, [], listening) == [wake_of("*"), None]


def test_who_serves_some_queues_hears_of_those(world: World, redis_source: RedisSource) -> None:
    for queue in ("a", "b", "c"):
        world.enqueue(queue=queue)

    async def listening(hints: Hints) -> list[Hint | None]:
        return [await hints.wait(idle=True, seconds=0.02) for _ in range(3)]

    assert listen(redis_source, ["b", "a"], listening) == [wake_of("b"), wake_of("a"), None]


def test_who_has_no_idle_worker_hears_its_inbox(world: World, redis_source: RedisSource, alpha: Supervisor) -> None:
    world.enqueue()
    world.enqueue()
    world.store.cancel(alpha.claim_one().id)

    async def listening(hints: Hints) -> list[Hint | None]:
        return [await hints.wait(idle=False, seconds=0.02) for _ in range(2)]

    assert listen(redis_source, [], listening) == [Hint(word="cancel", wake=None), None]
    assert world.tokens()["*"] == 1


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_token_that_is_pushed_back_is_one_token(world: World, redis_source: RedisSource, tokens: int) -> None:
    async def listening(hints: Hints) -> list[Hint | None]:
        hint = await hints.wait(idle=True, seconds=1)
        for _ in range(tokens):
            world.enqueue()
        assert hint is not None
        assert hint.wake is not None
        await hints.push_back(hint.wake)
        return []

    world.enqueue()
    listen(redis_source, [], listening)
    assert world.tokens()["*"] == 1


def test_a_wait_can_be_interrupted(redis_source: RedisSource) -> None:
    async def listening(hints: Hints) -> list[Hint | None]:
        waiting = asyncio.ensure_future(hints.wait(idle=False, seconds=5))
        await hints.interrupt()
        return [await waiting]

    assert listen(redis_source, [], listening) == [Hint(word="idle", wake=None)]


def test_an_interruption_that_nobody_reads_any_more_goes_by_itself(redis_source: RedisSource) -> None:
    async def ending(hints: Hints) -> list[Hint | None]:
        await hints.interrupt()
        return []

    listen(redis_source, [], ending)
    client: Any = redis_source.connect()
    (inbox,) = client.keys("*inbox:*")
    assert 0 < client.pttl(inbox) <= INBOX_MS
    client.close()
