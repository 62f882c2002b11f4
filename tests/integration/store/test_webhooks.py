"""Who wants to be told of a job's end gets a delivery, stored by the script that ends the job."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from jobworker.handlers.builtin import webhook
from jobworker.store.callback import DELIVERY_QUEUE, Callback, Delivery
from jobworker.store.errors import JobNotFound
from jobworker.store.ids import is_job_id
from jobworker.store.job import ErrorInfo, JobRecord
from jobworker.store.listing import JobFilter
from jobworker.store.states import JobState, Outcome
from tests.support.world import LEASE_MS, Supervisor, World

URL = "https://example.org/hook?a=1&b='"
CALLBACK = Callback(URL)
BY_TYPE = JobFilter(type=webhook.DELIVERY_TYPE)
ERROR = ErrorInfo("ValueError", 'no "such" luck', "Traceback …")


def delivery_of(world: World, job_id: str) -> JobRecord:
    delivery_id = world.store.get(job_id).delivery_id
    assert delivery_id is not None
    return world.store.get(delivery_id)


def told(world: World, job_id: str) -> Any:
    return msgspec.json.decode(delivery_of(world, job_id).payload)["job"]


def succeed(world: World, alpha: Supervisor, _: str) -> None:
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=b"[1]")


def fail(world: World, alpha: Supervisor, _: str) -> None:
    alpha.settle(alpha.claim_one(), Outcome.RAISED, error=ERROR, final=True)


def cancel(world: World, _: Supervisor, job_id: str) -> None:
    world.store.cancel(job_id)


def cancel_running(world: World, alpha: Supervisor, job_id: str) -> None:
    claim = alpha.claim_one()
    world.store.cancel(job_id)
    alpha.settle(claim, Outcome.CANCELLED)


def cancel_and_leave(world: World, alpha: Supervisor, job_id: str) -> None:
    alpha.claim_one()
    world.store.cancel(job_id)
    alpha.leave()


def cancel_and_die(world: World, alpha: Supervisor, job_id: str) -> None:
    world.store.cancel(alpha.claim_one().id)
    beta = world.register("beta")
    for _ in range(8):
        world.advance(LEASE_MS // 3)
        beta.beat()


def cancel_and_forget(world: World, alpha: Supervisor, job_id: str) -> None:
    alpha.claim_one()
    world.store.cancel(job_id)
    alpha.reconcile(call=2)


def expire(world: World, alpha: Supervisor, _: str) -> None:
    world.advance(5000)
    alpha.exchange()


def expire_at_claim(world: World, alpha: Supervisor, _: str) -> None:
    world.advance(5000)
    alpha.exchange(want=1)


def expire_unseen_and_retry(world: World, _: Supervisor, job_id: str) -> None:
    world.advance(5000)
    world.store.retry(job_id)


ENDS: list[tuple[Callable[[World, Supervisor, str], None], str]] = [
    *((succeed, "succeeded"), (fail, "failed"), (cancel, "cancelled"), (cancel_running, "cancelled")),
    *((cancel_and_leave, "cancelled"), (cancel_and_die, "cancelled"), (cancel_and_forget, "cancelled")),
    *((expire, "expired"), (expire_at_claim, "expired"), (expire_unseen_and_retry, "expired")),
]


@pytest.mark.parametrize(("end", "status"), ENDS, ids=[end.__name__ for end, _ in ENDS])
def test_every_end_for_good_stores_one_delivery(
    world: World, alpha: Supervisor, end: Callable[[World, Supervisor, str], None], status: str
) -> None:
    job_id = world.enqueue(callback=CALLBACK, expires_at_ms=world.clock.now_ms + 2000)
    end(world, alpha, job_id)
    delivery = delivery_of(world, job_id)
    assert (delivery.type, delivery.queue, delivery.priority) == (webhook.DELIVERY_TYPE, DELIVERY_QUEUE, 1)
    assert is_job_id(delivery.id)
    payload = msgspec.json.decode(delivery.payload, type=webhook.Delivery)
    assert (payload.url, payload.job.id, payload.job.status) == (URL, job_id, status)
    assert DELIVERY_QUEUE in world.tokens()
    assert len(world.store.list_jobs(BY_TYPE, limit=10).jobs) == 1
    if status == "expired":
        assert payload.job.ended_ms == world.store.get(job_id).created_ms + 2000  # type: ignore[operator]


def test_a_delivery_tells_what_the_job_came_to(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(type="resize", queue="images", callback=CALLBACK, trace="00-a-b-01", tags=("a=1", "b"))
    created_ms = world.clock.now_ms
    world.advance(1000)
    claim = alpha.claim_one()
    world.advance(500)
    alpha.settle(claim, Outcome.RAISED, error=ERROR, final=True)
    assert told(world, job_id) == {
        "id": job_id,
        "type": "resize",
        "queue": "images",
        "status": "failed",
        "tags": "a=1 b",
        "attempt": 1,
        "created_ms": created_ms,
        "started_ms": created_ms + 1000,
        "ended_ms": created_ms + 1500,
        "error": msgspec.to_builtins(ERROR),
        "result": None,
        "result_left_out": False,
    }
    assert delivery_of(world, job_id).trace == "00-a-b-01"


@pytest.mark.parametrize(("size", "left_out"), [(65_536, False), (65_537, True)])
def test_a_result_goes_along_unless_it_is_too_long(world: World, alpha: Supervisor, size: int, left_out: bool) -> None:
    result = b'"' + b"x" * (size - 2) + b'"'
    job_id = world.enqueue(callback=CALLBACK)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=result)
    job = told(world, job_id)
    assert job["result_left_out"] is left_out
    assert job["result"] == (None if left_out else msgspec.json.decode(result))


def test_only_the_ends_that_were_asked_for_are_told(world: World, alpha: Supervisor) -> None:
    callback = Callback(URL, (JobState.FAILED, JobState.EXPIRED))
    succeeded, failed = world.enqueue(callback=callback), world.enqueue(callback=callback)
    first, second = alpha.claim(2)
    assert [first.id, second.id] == [succeeded, failed]
    alpha.settle(first, Outcome.SUCCEEDED, result=b"1")
    assert world.store.get(succeeded).delivery_id is None
    alpha.settle(second, Outcome.RAISED, error=ERROR, final=True)
    assert told(world, failed)["status"] == "failed"


def test_what_does_not_end_the_job_is_not_told(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(callback=CALLBACK, max_attempts=3)
    alpha.settle(alpha.claim_one(), Outcome.RAISED, error=ERROR, delay_ms=1)
    world.advance(1)
    alpha.settle(alpha.claim_one(), Outcome.SHUTDOWN)
    assert world.store.get(job_id).delivery_id is None


def test_each_end_of_a_job_that_is_run_again_is_told_by_a_delivery_of_its_own(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(callback=CALLBACK)
    found = []
    for _ in range(3):
        world.store.cancel(job_id)
        found.append(world.store.get(job_id).delivery_id)
        world.store.retry(job_id)
    assert found == [f"{job_id[:14]}800{number}{job_id[18:]}" for number in (1, 2, 3)]


def test_a_job_that_has_expired_unseen_is_told_also_when_it_is_deleted(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(callback=CALLBACK, expires_at_ms=world.clock.now_ms + 1000)
    world.advance(1001)
    world.store.delete(job_id)
    (delivery,) = world.store.list_jobs(BY_TYPE, limit=10).jobs
    assert msgspec.json.decode(world.store.get(delivery.id).payload)["job"]["status"] == "expired"
    with pytest.raises(JobNotFound):
        world.store.get(job_id)


def test_a_delivery_is_claimed_as_any_job(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(callback=CALLBACK)
    world.store.cancel(job_id)
    delivery_id = delivery_of(world, job_id).id
    assert world.store.deliveries.get(delivery_id) == Delivery(delivery_id, JobState.PENDING, 0)
    assert alpha.claim_one(queues=["images", DELIVERY_QUEUE]).id == delivery_id
    assert world.store.deliveries.get(delivery_id) == Delivery(delivery_id, JobState.RUNNING, 1)
    world.client.delete(world.keys.job(delivery_id))
    assert world.store.deliveries.get(delivery_id) == Delivery(delivery_id)


@pytest.mark.parametrize(
    ("field", "value"), [("callback", "nonsense"), ("callback", ""), ("result", "{"), ("attempt", "x")]
)
def test_a_damaged_record_stops_nobody(world: World, alpha: Supervisor, field: str, value: str) -> None:
    job_id = world.enqueue(callback=CALLBACK)
    claim = alpha.claim_one()
    other = world.enqueue()
    world.client.hset(world.keys.job(job_id), field, value)
    settled = alpha.settle(claim, Outcome.SUCCEEDED, result=b"1" if field != "result" else b"{")
    assert settled == "succeeded"
    assert world.status(other) == "pending"
