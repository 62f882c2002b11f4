"""How attempts end: whose budget they spend, where the job goes, what it keeps of them."""

import pytest

from jobworker.store.job import Attempt, AttemptDetail, ErrorInfo, Receipt
from jobworker.store.states import CRASHES, FAILURES, FREE, Outcome
from tests.support.page import Page, quoted
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World, settling

#: Outcome of a first attempt with both budgets at 3: status, failures, crashes, reason.
FIRST_ATTEMPT: dict[Outcome, tuple[str, int, int, str | None]] = {
    Outcome.SUCCEEDED: ("succeeded", 0, 0, None),
    Outcome.RAISED: ("scheduled", 1, 0, None),
    Outcome.TIMED_OUT: ("scheduled", 1, 0, None),
    Outcome.REJECTED: ("failed", 0, 0, "invalid_payload"),
    Outcome.UNHANDLED: ("scheduled", 0, 0, None),
    Outcome.BAD_RESULT: ("failed", 0, 0, "bad_result"),
    Outcome.CRASHED: ("pending", 0, 1, None),
    Outcome.OUT_OF_MEMORY: ("pending", 0, 1, None),
    Outcome.LOST: ("pending", 0, 1, None),
    Outcome.CANCELLED: ("cancelled", 0, 0, None),
    Outcome.SHUTDOWN: ("pending", 0, 0, None),
    Outcome.FENCED: ("pending", 0, 0, None),
    Outcome.RECALLED: ("pending", 0, 0, None),
    Outcome.HELD: ("scheduled", 0, 0, None),
}
FIVE_MINUTES_MS = 300_000


def test_every_outcome_is_in_the_table() -> None:
    assert set(FIRST_ATTEMPT) == set(Outcome)


def test_the_page_on_the_life_of_a_job_has_the_same_table() -> None:
    rows = {quoted(row[0])[0]: [*quoted(row[3]), *quoted(row[4])] for row in Page("job-lifecycle.md").rows("Outcomes")}
    ends = {outcome: [status, reason] for outcome, (status, _, _, reason) in FIRST_ATTEMPT.items()}
    assert rows == {outcome: [word for word in words if word] for outcome, words in ends.items()}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_first_attempt_ends_as_the_table_of_outcomes_says(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    status, failures, crashes, reason = FIRST_ATTEMPT[outcome]
    assert alpha.settle(claim, outcome, delay_ms=1000) == status
    job = world.store.get(claim.id)
    assert (job.status, job.failures, job.crashes, job.reason) == (status, failures, crashes, reason)
    assert f"running:{alpha.member}" not in world.snapshot()


@pytest.mark.parametrize("outcome", sorted(FAILURES))
def test_failures_spend_max_attempts_and_end_with_it(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue(max_attempts=2, max_crashes=1)
    assert alpha.settle(alpha.claim_one(), outcome) == "scheduled"
    assert alpha.settle(alpha.claim_one(), outcome) == "failed"
    (job_id,) = world.snapshot()["ended:failed"]
    job = world.store.get(job_id)
    assert (job.reason, job.failures, job.crashes) == ("max_attempts", 2, 0)


@pytest.mark.parametrize("outcome", sorted(CRASHES))
def test_crashes_spend_max_crashes_and_end_as_a_crash_loop(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue(max_attempts=1, max_crashes=2)
    assert alpha.settle(alpha.claim_one(), outcome) == "pending"
    assert alpha.settle(alpha.claim_one(), outcome) == "failed"
    (job_id,) = world.snapshot()["ended:failed"]
    job = world.store.get(job_id)
    assert (job.reason, job.failures, job.crashes) == ("crash_loop", 0, 2)


def test_the_two_budgets_do_not_touch_each_other(world: World, alpha: Supervisor) -> None:
    world.enqueue(max_attempts=3, max_crashes=3)
    for outcome in (Outcome.RAISED, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY):
        alpha.settle(alpha.claim_one(), outcome)
    claim = alpha.claim_one()
    assert claim.attempt == 5
    assert alpha.settle(claim, Outcome.RAISED) == "failed"


@pytest.mark.parametrize("outcome", sorted(FREE - {Outcome.HELD}))
def test_what_was_put_back_free_spends_nothing_however_often(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    job_id = world.enqueue(max_attempts=1, max_crashes=1)
    before = world.snapshot()
    for _ in range(4):
        claim = alpha.claim_one()
        assert claim.attempt == 1
        assert alpha.settle(claim, outcome) == "pending"
    changed = world.changes_since(before)
    assert changed.keys() == {"supervisor:alpha", f"job:{job_id}"}
    assert changed[f"job:{job_id}"].keys() == {"owner", "epoch", "token", "worker", "started_ms"}


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED])
def test_a_job_without_budgets_of_its_own_goes_by_those_of_the_settle(
    world: World, alpha: Supervisor, outcome: Outcome
) -> None:
    world.enqueue()
    assert alpha.settle(alpha.claim_one(), outcome, max_attempts=1, max_crashes=1) == "failed"


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED])
def test_a_job_with_budgets_of_its_own_goes_by_those(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue(max_attempts=2, max_crashes=2)
    assert alpha.settle(alpha.claim_one(), outcome, max_attempts=1, max_crashes=1) != "failed"


def test_a_final_failure_ends_the_job_with_the_reason_given(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    assert alpha.settle(claim, Outcome.RAISED, final=True, reason="no such account") == "failed"
    assert world.store.get(claim.id).reason == "no such account"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.BAD_RESULT])
def test_a_reason_given_wins_over_the_one_of_the_outcome(world: World, alpha: Supervisor, outcome: Outcome) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, outcome, final=True, reason="result_too_large")
    assert world.store.get(claim.id).reason == "result_too_large"


def settle_unhandled(world: World, alpha: Supervisor) -> str:
    return alpha.settle(alpha.claim_one(), Outcome.UNHANDLED, delay_ms=1000)


def test_an_unhandled_job_comes_back_for_ten_minutes_then_fails(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(max_attempts=1, max_crashes=1)
    for wait_ms in (0, FIVE_MINUTES_MS, FIVE_MINUTES_MS - 1):
        world.advance(wait_ms)
        alpha.beat()
        assert settle_unhandled(world, alpha) == "scheduled"
    world.advance(1000)
    alpha.beat()
    assert settle_unhandled(world, alpha) == "failed"
    job = world.store.get(job_id)
    assert (job.reason, job.failures, job.crashes) == ("unknown_handler", 0, 0)


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED])
def test_the_ten_minutes_begin_anew_after_an_attempt_that_was_handled(
    world: World, alpha: Supervisor, outcome: Outcome
) -> None:
    world.enqueue()
    settle_unhandled(world, alpha)
    world.advance(2 * FIVE_MINUTES_MS)
    alpha.beat()
    alpha.settle(alpha.claim_one(), outcome)
    assert settle_unhandled(world, alpha) == "scheduled"


def test_the_ten_minutes_run_on_through_a_put_back(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    settle_unhandled(world, alpha)
    world.advance(2 * FIVE_MINUTES_MS)
    alpha.beat()
    alpha.settle(alpha.claim_one(), Outcome.RECALLED)
    assert settle_unhandled(world, alpha) == "failed"


WHY = "held: more than 10 crashes within 60 s"


def test_a_held_job_waits_for_its_time_says_why_and_spends_nothing_however_often(
    world: World, alpha: Supervisor
) -> None:
    job_id = world.enqueue(max_attempts=1, max_crashes=1)
    for _ in range(4):
        assert alpha.settle(alpha.claim_one(), Outcome.HELD, delay_ms=1000, reason=WHY) == "scheduled"
        assert alpha.claim() == []
        assert world.store.get(job_id).held == WHY
        world.advance(1000)
    claim = alpha.claim_one()
    assert (claim.attempt, world.store.get(job_id).held) == (1, None)
    before = world.snapshot()
    alpha.settle(claim, Outcome.SUCCEEDED, result=b"1")
    assert world.changes_since(before)[f"job:{job_id}"].keys() == {"status", "ended_ms", "result"}


def test_a_held_job_keeps_its_place_and_what_the_attempt_before_it_left(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.RAISED, error=ERROR, reason="told to wait")
    alpha.settle(alpha.claim_one(), Outcome.HELD, delay_ms=1000, reason=WHY)
    later = world.enqueue()
    job = world.store.get(job_id)
    assert (job.error, job.reason, job.held, job.attempt) == (ERROR, "told to wait", WHY, 1)
    world.advance(1000)
    assert [claim.id for claim in alpha.claim(2)] == [job_id, later]


def test_a_held_job_that_was_to_be_cancelled_is_cancelled(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    claim = alpha.claim_one()
    world.store.cancel(job_id)
    assert alpha.settle(claim, Outcome.HELD, delay_ms=1000, reason=WHY) == "cancelled"
    assert world.store.get(job_id).held is None


def test_why_a_job_was_held_goes_when_it_waits_no_longer(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    alpha.settle(alpha.claim_one(), Outcome.HELD, delay_ms=1000, reason=WHY)
    world.store.cancel(job_id)
    assert world.store.get(job_id).held is None


RECEIPT = Receipt(wall_seconds=0.5, cpu_user_seconds=0.25, cpu_system_seconds=0.125, peak_rss_bytes=4096)
ERROR = ErrorInfo("ValueError", "not a number", "Traceback …")


def test_a_success_keeps_result_and_receipt_and_is_no_failed_attempt(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    claim = alpha.claim_one()
    world.advance(500)
    before = world.snapshot()
    alpha.settle(claim, Outcome.SUCCEEDED, result=b"\x00\xff not even JSON", receipt=RECEIPT)
    job = world.store.get(job_id)
    assert (job.result, job.receipt, job.error, job.attempts) == (b"\x00\xff not even JSON", RECEIPT, None, ())
    assert (job.ended, job.ended_ms) == (True, START_MS + 500)
    changed = world.changes_since(before)
    assert changed[f"job:{job_id}"].keys() == {"status", "ended_ms", "result", "receipt"}
    assert changed["ended:succeeded"] == {job_id: START_MS + 500}
    assert changed.keys() == {f"job:{job_id}", "ended:succeeded", f"running:{alpha.member}", "supervisor:alpha"}


def test_a_failed_attempt_is_kept_with_all_that_is_known_of_it(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    world.advance(40)
    detail = AttemptDetail(error=ERROR, signal="SIGSEGV", exit_code=-11, receipt=RECEIPT, reason="words")
    alpha.settle(claim, Outcome.CRASHED, error=ERROR, receipt=RECEIPT, detail=detail)
    job = world.store.get(claim.id)
    assert (job.error, job.receipt) == (ERROR, RECEIPT)
    assert job.attempts == (
        Attempt(Outcome.CRASHED, 1, START_MS, START_MS + 40, "alpha", alpha.epoch, claim.worker, detail),
    )


def test_a_success_clears_what_failed_attempts_left(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.RAISED, error=ERROR, receipt=RECEIPT, detail=AttemptDetail(error=ERROR))
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=b"1")
    job = world.store.get(claim.id)
    assert (job.error, job.receipt, job.reason, len(job.attempts)) == (None, None, None, 1)


def test_a_put_back_keeps_what_the_attempt_before_it_left(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    alpha.settle(claim, Outcome.RAISED, error=ERROR, receipt=RECEIPT)
    alpha.settle(alpha.claim_one(), Outcome.SHUTDOWN)
    job = world.store.get(claim.id)
    assert (job.error, job.receipt, job.attempt) == (ERROR, RECEIPT, 1)


def test_the_last_twenty_failed_attempts_are_kept(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(max_crashes=1000)
    crash = AttemptDetail(exit_code=3)
    claim = alpha.claim_one()
    for _ in range(22):
        (claim,) = alpha.exchange(settling(claim, Outcome.CRASHED, detail=crash), want=1).claims
    assert [attempt.attempt for attempt in world.store.get(job_id).attempts] == list(range(3, 23))


def test_a_retry_waits_out_of_the_queue_until_it_is_due(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue()
    claim = alpha.claim_one()
    world.advance(100)
    answer = alpha.exchange(settling(claim, Outcome.RAISED, delay_ms=4000))
    assert answer.next_due_ms == 4000
    assert world.snapshot()["scheduled"] == {job_id: START_MS + 4100}
    assert world.store.get(job_id).run_at_ms == START_MS + 4100
    world.advance(3999)
    assert alpha.claim() == []
    world.advance(1)
    assert alpha.claim_one().attempt == 2


def test_a_retry_without_delay_is_claimed_by_the_call_that_settles_it(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    claim = alpha.claim_one()
    answer = alpha.exchange(settling(claim, Outcome.RAISED, delay_ms=0), want=1)
    assert [again.attempt for again in answer.claims] == [2]
