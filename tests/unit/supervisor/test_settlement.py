"""From what happened to an attempt to what Redis is told."""

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.job import AttemptDetail, ErrorInfo, Receipt
from jobworker.store.states import CRASHES, FREE, Outcome
from jobworker.supervisor.breaker import Refusal
from jobworker.supervisor.budget import Budget
from jobworker.supervisor.messages import Report
from jobworker.supervisor.settlement import hold_back, put_back, settle_report, settle_verdict
from jobworker.supervisor.verdict import Verdict
from tests.support.claims import a_claim

BUDGET = Budget(60.0, 5, 6, Backoff(base=2.0, factor=3.0, jitter=False))
RECEIPT = Receipt(1.0, 0.5, 0.1)
ERROR = ErrorInfo("ValueError", "no")


def test_a_success_carries_result_and_receipt_and_leaves_no_failed_attempt() -> None:
    settle = settle_report(a_claim(), BUDGET, Report(100, Outcome.SUCCEEDED, result=b"42", receipt=RECEIPT))
    assert (settle.id, settle.token, settle.outcome) == ("job-1", 100, Outcome.SUCCEEDED)
    assert (settle.result, settle.receipt, settle.detail, settle.delay_ms) == (b"42", RECEIPT, None, 0)


def test_the_token_is_the_claim_s_and_not_what_a_report_says() -> None:
    assert settle_report(a_claim(token=100), BUDGET, Report(5, Outcome.SUCCEEDED)).token == 100


def test_a_failure_keeps_its_detail_and_both_budgets_go_along() -> None:
    settle = settle_report(a_claim(), BUDGET, Report(100, Outcome.RAISED, error=ERROR, receipt=RECEIPT))
    assert settle.detail == AttemptDetail(error=ERROR, receipt=RECEIPT)
    assert (settle.max_attempts, settle.max_crashes, settle.final) == (5, 6, False)


@pytest.mark.parametrize(("failures", "delay_ms"), [(0, 2000), (1, 6000), (2, 18000)])
def test_a_failure_waits_longer_each_time(failures: int, delay_ms: int) -> None:
    claim = a_claim(failures=failures)
    assert settle_report(claim, BUDGET, Report(100, Outcome.RAISED, error=ERROR)).delay_ms == delay_ms
    assert settle_verdict(claim, BUDGET, Verdict(Outcome.TIMED_OUT, "late")).delay_ms == delay_ms


def test_a_retry_that_names_its_delay_gets_it_also_if_it_is_none_at_all() -> None:
    for seconds in (0.0, 12.5):
        report = Report(100, Outcome.RAISED, retry_after_seconds=seconds, reason="later", error=ERROR)
        settle = settle_report(a_claim(), BUDGET, report)
        assert settle.delay_ms == round(1000 * seconds)
        assert settle.detail is not None
        assert settle.detail.reason == settle.reason == "later"


def test_an_unhandled_job_waits_one_to_five_seconds_and_not_always_the_same() -> None:
    delays = {settle_report(a_claim(), BUDGET, Report(100, Outcome.UNHANDLED)).delay_ms for _ in range(50)}
    assert 1000 <= min(delays) <= max(delays) <= 5000
    assert len(delays) > 10


def test_a_final_report_says_so() -> None:
    report = Report(100, Outcome.REJECTED, final=True, reason="invalid_payload", error=ERROR)
    settle = settle_report(a_claim(), BUDGET, report)
    assert (settle.final, settle.reason, settle.delay_ms) == (True, "invalid_payload", 0)


def test_a_report_of_not_started_leaves_nothing() -> None:
    settle = settle_report(a_claim(), BUDGET, Report(100, Outcome.SHUTDOWN, reason="not started"))
    assert (settle.detail, settle.delay_ms, settle.error) == (None, 0, None)


@pytest.mark.parametrize("outcome", sorted(CRASHES))
def test_a_crash_is_back_in_the_queue_at_once_and_says_how_it_died(outcome: Outcome) -> None:
    verdict = Verdict(outcome, "exit code 3 before it reported", exit_code=3)
    settle = settle_verdict(a_claim(failures=4), BUDGET, verdict)
    assert (settle.outcome, settle.delay_ms) == (outcome, 0)
    assert settle.error == ErrorInfo(outcome.value, "exit code 3 before it reported")
    assert settle.detail == AttemptDetail(error=settle.error, exit_code=3)


@pytest.mark.parametrize("outcome", sorted(FREE))
def test_a_verdict_that_is_free_puts_back_without_a_word(outcome: Outcome) -> None:
    claim = a_claim()
    assert settle_verdict(claim, BUDGET, Verdict(outcome, "drained")) == put_back(claim, outcome)
    assert put_back(claim, outcome).detail is None


def test_what_is_held_back_waits_and_says_why() -> None:
    settle = hold_back(a_claim(), Refusal("held: it crashed", 1500))
    assert (settle.token, settle.outcome, settle.delay_ms) == (100, Outcome.HELD, 1500)
    assert (settle.reason, settle.error, settle.detail) == ("held: it crashed", None, None)
