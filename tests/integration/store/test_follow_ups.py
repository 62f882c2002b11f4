"""Follow-up jobs: stored by the very script that settles the success, all of them or none."""

from typing import Any

import msgspec
import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Attempted
from jobworker.store.errors import JobNotFound, Reaped
from jobworker.store.ids import new_job_id
from jobworker.store.job import ErrorInfo, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.limits import MAX_BATCH_JOBS, MAX_QUEUES, MAX_TYPES
from jobworker.store.states import Outcome
from tests.support.audit import audit
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World, settling


def jobs(count: int = 1, **options: Any) -> tuple[NewJob, ...]:
    return tuple(NewJob(**{"id": new_job_id(), "type": "mail", **options}) for _ in range(count))


def is_there(store: JobStore, job: NewJob) -> bool:
    try:
        store.get(job.id)
    except JobNotFound:
        return False
    return True


def test_they_appear_with_the_success_as_if_a_client_had_sent_them(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    mail, later = jobs(payload=b"7", priority=9, timeout_ms=5), jobs(type="report", queue="slow", delay_ms=1000)
    assert alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(*mail, *later)) == "succeeded"
    first, second = world.store.get(mail[0].id), world.store.get(later[0].id)
    assert (first.status, first.type, first.payload, first.priority, first.timeout_ms) == (
        "pending",
        "mail",
        b"7",
        9,
        5,
    )
    assert (second.status, second.queue, second.run_at_ms) == ("scheduled", "slow", START_MS + 1000)
    assert world.snapshot()["queues"] == {"default", "slow"}
    audit(world.client)
    # And are run like any other; their queue was woken, for others may serve it.
    assert world.tokens()["default"] == 1
    assert [claim.id for claim in alpha.claim(5)] == [first.id]
    world.advance(1000)
    assert [claim.id for claim in alpha.claim(5)] == [second.id]


def test_the_call_that_stores_them_may_claim_them(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    (mail,) = jobs()
    answer = alpha.exchange(settling(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(mail,)), want=1)
    assert [claim.id for claim in answer.claims] == [mail.id]
    audit(world.client)


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.SUCCEEDED}))
def test_with_any_other_outcome_none_appears(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue()
    follow_ups = jobs(2)
    alpha.settle(alpha.claim_one(), outcome, follow_ups=follow_ups)
    assert not any(is_there(world.store, job) for job in follow_ups)
    audit(world.client)


def test_of_an_attempt_that_is_no_longer_valid_none_appears(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    old = alpha.claim_one()
    alpha.settle(old, Outcome.CRASHED)
    new = alpha.claim_one()
    stale, valid = jobs(), jobs()
    before = world.snapshot()
    assert alpha.settle(old, Outcome.SUCCEEDED, follow_ups=stale) == "stale"
    assert alpha.settle(Attempted(new_job_id(), 1), Outcome.SUCCEEDED, follow_ups=stale) == "missing"
    assert world.changes_since(before).keys() == {"supervisor:alpha"}
    assert alpha.settle(new, Outcome.SUCCEEDED, follow_ups=valid) == "succeeded"
    assert (is_there(world.store, stale[0]), is_there(world.store, valid[0])) == (False, True)


def test_of_a_supervisor_that_was_reaped_none_appears(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim, beta = alpha.claim_one(), world.register("beta")
    for _ in range(3):
        world.advance(LEASE_MS // 2)
        beta.beat()
    with pytest.raises(Reaped):
        alpha.settle(claim, Outcome.SUCCEEDED, follow_ups=(mail := jobs()))
    assert not is_there(world.store, mail[0])


def test_a_repeat_of_the_call_answers_the_same_and_stores_nothing_again(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    settle = settling(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=jobs(3))
    first = alpha.exchange(settle)
    world.store.cancel(settle.follow_ups[0].id)
    before = world.snapshot()
    assert alpha.exchange(settle, call=alpha.calls) == first
    assert world.changes_since(before) == {}


def test_what_is_there_already_stays_as_it_is_when_the_job_runs_once_more(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    known, fresh = jobs(2)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(known,))
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=b"1")
    world.store.retry(job_id)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(known, fresh))
    assert (world.store.get(known.id).result, world.status(fresh.id)) == (b"1", "pending")
    audit(world.client)


def test_one_that_can_no_longer_start_in_time_expires(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    (late,) = jobs(expires_at_ms=START_MS + 10)
    claim = alpha.claim_one()
    world.advance(10)
    assert alpha.settle(claim, Outcome.SUCCEEDED, follow_ups=(late,)) == "succeeded"
    assert world.status(late.id) == "expired"
    audit(world.client)


def test_where_there_would_be_too_many_queues_none_is_stored_and_the_job_says_so(
    world: World, alpha: Supervisor
) -> None:
    job_id, other = world.enqueue(), world.enqueue()
    first, second = alpha.claim(2)
    world.client.sadd(world.keys.queues, *(f"queue-{number}" for number in range(MAX_QUEUES - 1)))
    (fits,), (too_many,) = jobs(queue="queue-1"), jobs(queue="one.more")
    answer = alpha.exchange(
        settling(first, Outcome.SUCCEEDED, result=b"1", follow_ups=(fits, too_many)),
        settling(second, Outcome.SUCCEEDED, follow_ups=(another := jobs(queue="queue-1"))),
    )
    record = world.store.get(job_id)
    assert (answer.words, record.status, record.reason) == (["failed", "succeeded"], "failed", "follow_up_refused")
    assert record.error == ErrorInfo("too_many_queues", "its follow-up jobs cannot be stored: one.more is one too many")
    assert (record.result, record.attempts[0].detail.reason) == (None, "follow_up_refused")
    there = [is_there(world.store, job) for job in (fits, too_many, *another)]
    assert (there, world.status(other)) == ([False, False, True], "succeeded")


def test_so_it_is_with_types(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    assert alpha.incarnation._exchange_limits[-2] == MAX_TYPES
    alpha.incarnation._exchange_limits[-2] = 1
    assert alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=jobs(type="one.more")) == "failed"
    error = world.store.get(job_id).error
    assert (error and error.type) == "too_many_types"


def test_as_many_as_a_job_may_submit_go_in_with_one_call(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    follow_ups = jobs(MAX_BATCH_JOBS, payload=b'"' + b"x" * 5000 + b'"', backoff=None, timeout_ms=1, max_attempts=2)
    assert alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=follow_ups) == "succeeded"
    assert world.order_of() == [job.id for job in follow_ups]


def test_types_are_looked_up_where_supervisors_publish_them(world: World, alpha: Supervisor) -> None:
    entry = HandlerEntry("mail", {"type": "object"}, HandlerDefaults(queue="mails", priority=2))
    world.run(alpha.incarnation.publish([entry], 2))
    found = world.run(alpha.incarnation.declared(["unknown", "mail"]))
    assert found.keys() == {"mail"}
    assert msgspec.structs.replace(found["mail"], seen_ms=0) == entry
