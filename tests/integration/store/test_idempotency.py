"""An Idempotency-Key makes of many requests one job, whatever has become of it."""

from typing import Any

import pytest

from jobworker.store.errors import InvalidJob, KeyReused
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_QUEUES
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

KEEP_MS = 60_000
KEY = IdempotencyKey.of("order 4711", b"{}", KEEP_MS)


def new(**options: Any) -> NewJob:
    return NewJob(**{"id": new_job_id(), "type": "echo", "key": KEY, **options})


def take(world: World, job: NewJob) -> Acceptance:
    [accepted] = world.store.enqueue([job])
    return accepted


def test_the_first_request_leaves_its_answer_under_the_digest_of_its_key(world: World) -> None:
    job = new(queue="slow", priority=7, delay_ms=1000)
    first = take(world, job)
    assert first == Acceptance(job.id, JobState.SCHEDULED, "echo", "slow", 7)
    record = f"idempotency:{KEY.digest}"
    assert world.snapshot()[record] == f"{KEY.fingerprint} {job.id} scheduled echo slow 7"
    assert 0 < world.ttl_ms(world.keys.base + record) <= KEEP_MS
    assert world.store.accepted(KEY) == first


def test_a_repeat_makes_no_job_and_is_answered_as_the_first(world: World) -> None:
    first = take(world, new(queue="slow"))
    world.tokens()
    before = world.snapshot()
    world.advance(1000)
    assert take(world, new(queue="other", type="other", priority=9)) == first
    assert world.snapshot() == before


def test_a_repeat_is_answered_as_the_first_when_the_job_has_run_and_is_deleted(world: World, alpha: Supervisor) -> None:
    first = take(world, new(delay_ms=1000))
    world.advance(1000)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    assert take(world, new()) == first
    world.store.delete(first.id)
    before = world.snapshot()
    assert take(world, new()) == first
    assert world.snapshot() == before


def test_a_repeat_is_answered_although_it_would_be_refused_by_now(world: World) -> None:
    first = take(world, new(expires_at_ms=START_MS + 1000))
    world.client.sadd(world.keys.queues, *(f"queue-{number}" for number in range(MAX_QUEUES)))
    world.advance(2000)
    assert take(world, new(expires_at_ms=START_MS + 1000, queue="one-too-many")) == first


@pytest.mark.parametrize("same_id", [False, True], ids=["another id", "the same id"])
def test_the_same_key_with_another_body_keeps_out_all(world: World, same_id: bool) -> None:
    job = new()
    take(world, job)
    before = world.snapshot()
    other = new(key=IdempotencyKey.of("order 4711", b"{ }", KEEP_MS), **({"id": job.id} if same_id else {}))
    with pytest.raises(KeyReused):
        world.store.enqueue([new(key=None), other])
    assert other.key is not None
    with pytest.raises(KeyReused):
        world.store.accepted(other.key)
    assert world.snapshot() == before


def test_what_is_refused_leaves_no_record(world: World) -> None:
    with pytest.raises(InvalidJob):
        world.store.enqueue([new(expires_at_ms=START_MS)])
    assert not world.snapshot()
    assert world.store.accepted(KEY) is None
    assert take(world, new()).status is JobState.PENDING


def test_other_keys_are_other_jobs(world: World) -> None:
    keys = [IdempotencyKey.of(key, b"{}", KEEP_MS) for key in ("a", "b", "A", "a ")]
    assert len({take(world, new(key=key)).id for key in keys}) == len(keys)


def test_a_key_that_has_gone_makes_another_job(world: World) -> None:
    first = take(world, new())
    world.client.delete(world.keys.idempotency(KEY.digest))
    assert take(world, new()).id != first.id


def test_one_key_twice_in_a_call_is_one_job(world: World) -> None:
    first, second = world.store.enqueue([new(), new(queue="other", type="other")])
    assert first == second
    assert world.order_of() == [first.id]
    assert (world.snapshot()["queues"], world.snapshot()["types"]) == ({"default"}, {"echo"})


def test_one_key_twice_in_a_call_with_other_bodies_keeps_out_all(world: World) -> None:
    with pytest.raises(KeyReused):
        world.store.enqueue([new(), new(key=IdempotencyKey.of("order 4711", b"{ }", KEEP_MS))])
    assert not world.snapshot()


def test_known_and_new_keys_and_jobs_without_one_go_in_together(world: World) -> None:
    known = take(world, new())
    plain, fresh = new(key=None), new(key=IdempotencyKey.of("another", b"", KEEP_MS))
    answers = world.store.enqueue([plain, new(), fresh])
    assert [answer.id for answer in answers] == [plain.id, known.id, fresh.id]
    assert world.order_of() == [known.id, plain.id, fresh.id]
