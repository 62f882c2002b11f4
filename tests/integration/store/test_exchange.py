"""`exchange` as a call: numbered, repeatable, remembered."""

import pytest

from jobworker.store.incarnation import OldCall
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import LEASE_MS, Supervisor, World, settling


def test_a_claim_moves_the_job_from_its_queue_to_the_running_index(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(payload=b'{"n":1}', timeout_ms=2500, max_attempts=7)
    world.advance(10)
    before = world.snapshot()
    (claim,) = alpha.exchange(want=1).claims
    token = (START_MS + 10) * 1000
    assert (claim.id, claim.token, claim.payload, claim.attempt, claim.worker) == (job_id, token, b'{"n":1}', 1, 100)
    assert (claim.timeout_ms, claim.max_attempts, claim.max_crashes, claim.created_ms) == (2500, 7, None, START_MS)
    assert world.changes_since(before) == {
        "ready:default": None,
        f"running:{alpha.member}": {job_id: str(token)},
        "supervisor:alpha": {"last_call": "1", "last_answer": f"|{job_id} {token}"},
        f"job:{job_id}": {
            "status": "running",
            "owner": "alpha",
            "epoch": str(alpha.epoch),
            "token": str(token),
            "worker": "100",
            "started_ms": str(START_MS + 10),
            "attempt": "1",
        },
    }


def test_a_call_without_work_changes_its_number_only(world: World, alpha: Supervisor) -> None:
    before = world.snapshot()
    answer = alpha.exchange(want=3)
    assert (answer.words, answer.claims, answer.next_due_ms) == ([], [], None)
    assert world.changes_since(before) == {"supervisor:alpha": {"last_call": "1", "last_answer": "|"}}


def test_a_repeat_answers_as_the_first_time_and_changes_nothing(world: World, alpha: Supervisor) -> None:
    ids = [world.enqueue() for _ in range(4)]
    first, second = alpha.claim(2)
    settles = (settling(first, Outcome.SUCCEEDED, result=b"1"), settling(second, Outcome.CRASHED))
    answer = alpha.exchange(*settles, want=1)
    assert (answer.words, [claim.id for claim in answer.claims]) == (["succeeded", "pending"], [ids[1]])
    before = world.snapshot()
    world.advance(1000)
    assert alpha.exchange(*settles, want=1, call=2) == answer
    assert world.snapshot() == before


def test_a_repeat_does_nothing_new_whatever_it_brings(world: World, alpha: Supervisor) -> None:
    for _ in range(3):
        world.enqueue()
    answer = alpha.exchange(want=1)
    before = world.snapshot()
    assert alpha.exchange(settling(answer.claims[0], Outcome.RAISED), want=2, call=1) == answer
    assert world.snapshot() == before


def test_a_call_older_than_the_last_does_nothing(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    (claim,) = alpha.claim(1, call=5)
    world.enqueue()
    before = world.snapshot()
    with pytest.raises(OldCall):
        alpha.exchange(settling(claim, Outcome.SUCCEEDED), want=1, call=4)
    assert world.snapshot() == before


def test_what_redis_remembers_of_a_call_holds_no_payload(world: World, alpha: Supervisor) -> None:
    world.enqueue(payload=b'"secret"')
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.SUCCEEDED, result=b'"secret"')
    record = world.snapshot()["supervisor:alpha"]
    assert record["last_answer"] == "succeeded|"
    assert "secret" not in str(record)


def test_a_repeat_reads_payloads_afresh(world: World, alpha: Supervisor) -> None:
    world.enqueue(payload=b"1")
    claim = alpha.claim_one()
    world.client.hset(world.keys.job(claim.id), "payload", b"2")
    assert [repeated.payload for repeated in alpha.claim(1, call=1)] == [b"2"]


@pytest.mark.parametrize(
    "field", [("status", "pending"), ("owner", "beta"), ("epoch", "1"), ("token", "1")], ids=lambda field: str(field[0])
)
def test_a_repeat_leaves_out_what_is_no_longer_held_as_it_was_claimed(
    world: World, alpha: Supervisor, field: tuple[str, str]
) -> None:
    world.enqueue()
    world.enqueue()
    moved, kept = alpha.claim(2)
    hand_over(world, alpha, moved.id, *field)
    assert [claim.id for claim in alpha.claim(2, call=1)] == [kept.id]


def hand_over(world: World, alpha: Supervisor, job_id: str, name: str, value: str) -> None:
    """Make it so that the job is held otherwise than by alpha's claim, its index included."""
    job = world.keys.job(job_id)
    world.client.hdel(world.keys.running("alpha", alpha.epoch), job_id)
    world.client.hset(job, name, value)
    if name == "status":
        world.client.zadd(world.keys.ready("default"), {job_id: 5 * 2**44 + 1})
        return
    owner, epoch, token = (item.decode() for item in world.client.hmget(job, "owner", "epoch", "token"))  # type: ignore[union-attr]
    world.client.hset(world.keys.running(owner, int(epoch)), job_id, token)


def test_a_repeat_of_a_call_without_claims_has_none(world: World, alpha: Supervisor) -> None:
    alpha.exchange(want=1)
    world.enqueue()
    assert alpha.exchange(want=1, call=1).claims == []


def test_nothing_is_claimed_once_the_lease_has_ended_but_settles_count(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.enqueue()
    claim = alpha.claim_one()
    world.advance(LEASE_MS)
    answer = alpha.exchange(settling(claim, Outcome.SUCCEEDED), want=1)
    assert (answer.words, answer.claims) == (["succeeded"], [])
    alpha.beat()
    assert len(alpha.claim(1)) == 1


def test_a_lease_holds_until_its_last_millisecond(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.advance(LEASE_MS - 1)
    assert len(alpha.claim(1)) == 1


def test_who_asks_for_nothing_gets_nothing(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    assert alpha.exchange(want=0).claims == []
    assert world.order_of() == [job_id]


def test_words_come_in_the_order_of_the_settles(world: World, alpha: Supervisor) -> None:
    for _ in range(3):
        world.enqueue()
    first, second, third = alpha.claim(3)
    answer = alpha.exchange(
        settling(third, Outcome.RAISED, final=True),
        settling(first, Outcome.SUCCEEDED),
        settling(second, Outcome.RAISED),
    )
    assert answer.words == ["failed", "succeeded", "scheduled"]


def test_the_answer_says_when_the_next_job_is_due(world: World, alpha: Supervisor) -> None:
    world.enqueue(delay_ms=9000)
    world.enqueue(delay_ms=5000)
    assert alpha.exchange().next_due_ms == 5000
    world.advance(4999)
    assert alpha.exchange().next_due_ms == 1
    world.advance(1)
    assert alpha.exchange().next_due_ms == 4000


def test_a_repeat_says_when_the_next_job_is_due_by_now(world: World, alpha: Supervisor) -> None:
    world.enqueue(delay_ms=5000)
    alpha.exchange()
    world.advance(6000)
    assert alpha.exchange(call=1).next_due_ms == 0
