"""From what happened to an attempt to what Redis is told about it."""

import random
from typing import Final

from jobworker.store.claims import Claim, Settle, Unreadable
from jobworker.store.job import AttemptDetail, ErrorInfo, Receipt
from jobworker.store.states import FAILURES, FREE, Outcome
from jobworker.supervisor.breaker import Refusal
from jobworker.supervisor.budget import Budget
from jobworker.supervisor.messages import Report
from jobworker.supervisor.routes import new_job
from jobworker.supervisor.stack import NO_STACK, Stack
from jobworker.supervisor.verdict import Verdict

#: A type without a handler here is tried again after between one and this many seconds: a deploy may be rolling.
UNHANDLED_SECONDS: Final = 5.0


def settle_report(claim: Claim, budget: Budget, report: Report) -> Settle:
    """Turn a worker's report into a settle."""
    keep = report.outcome is not Outcome.SUCCEEDED and report.outcome not in FREE
    detail = AttemptDetail(error=report.error, receipt=report.receipt, reason=report.reason or None)
    return Settle(
        id=claim.id,
        token=claim.token,
        type=claim.type,
        outcome=report.outcome,
        max_attempts=budget.max_attempts,
        max_crashes=budget.max_crashes,
        final=report.final,
        delay_ms=_delay_ms(claim, budget, report.outcome, report.retry_after_seconds),
        reason=report.reason,
        error=report.error,
        result=report.result,
        receipt=report.receipt,
        detail=detail if keep else None,
        follow_ups=tuple(map(new_job, report.follow_ups)),
    )


def settle_verdict(
    claim: Claim, budget: Budget, verdict: Verdict, receipt: Receipt | None = None, stack: Stack = NO_STACK
) -> Settle:
    """Turn the verdict on a dead worker, what it cost and the stack in which it hung into a settle."""
    if verdict.outcome in FREE:
        return put_back(claim, verdict.outcome)
    error = ErrorInfo(type=verdict.outcome.value, message=verdict.message)
    detail = AttemptDetail(
        error=error,
        signal=verdict.signal,
        exit_code=verdict.exit_code,
        receipt=receipt,
        killed_by=verdict.killed_by,
        stack=stack.text or None,
        no_stack=stack.missing or None,
    )
    return Settle(
        id=claim.id,
        token=claim.token,
        type=claim.type,
        outcome=verdict.outcome,
        max_attempts=budget.max_attempts,
        max_crashes=budget.max_crashes,
        delay_ms=_delay_ms(claim, budget, verdict.outcome, None),
        error=error,
        receipt=receipt,
        detail=detail,
    )


def put_back(claim: Claim, outcome: Outcome) -> Settle:
    """Settle an attempt that spends nothing."""
    return Settle(claim.id, claim.token, outcome, max_attempts=1, max_crashes=1, type=claim.type)


def hold_back(claim: Claim, refusal: Refusal) -> Settle:
    """Settle an attempt that must not begin here yet: it spends nothing and waits."""
    outcome, delay_ms = Outcome.HELD, refusal.delay_ms
    return Settle(claim.id, claim.token, outcome, max_attempts=1, max_crashes=1, delay_ms=delay_ms, reason=refusal.why)


def set_aside(unreadable: Unreadable) -> Settle:
    """Settle a job whose record nobody can read: no attempt could do better."""
    job_id, token = unreadable.attempted.id, unreadable.attempted.token
    error = ErrorInfo("DamagedRecord", f"the job's record in Redis is damaged: {unreadable.why}")
    outcome, reason = Outcome.REJECTED, "damaged_record"
    return Settle(job_id, token, outcome, max_attempts=1, max_crashes=1, final=True, reason=reason, error=error)


def _delay_ms(claim: Claim, budget: Budget, outcome: Outcome, asked_seconds: float | None) -> int:
    if outcome is Outcome.UNHANDLED:
        return round(1000 * random.uniform(1.0, UNHANDLED_SECONDS))  # noqa: S311 - spreads load, guards nothing
    if outcome not in FAILURES:
        return 0
    if asked_seconds is not None:
        return round(1000 * asked_seconds)
    return budget.backoff.delay_ms(claim.failures + 1)
