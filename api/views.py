"""How a job looks in an answer."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from jobworker.api.callback import view_callback
from jobworker.api.declaration import Declaration, given
from jobworker.api.schemas import AttemptView, ErrorView, JobView, ProgressView, StackView
from jobworker.store.callback import Delivery
from jobworker.store.job import Attempt, ErrorInfo, JobRecord, JobSummary

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def view_job(record: JobRecord, declared: Declaration, delivery: Delivery | None = None) -> JobView:
    """Return the whole answer; what the record leaves open is what the declaration says now."""
    return msgspec.structs.replace(
        view_summary(record, declared),
        payload=raw_json(record.payload),
        result=None if record.result is None else raw_json(record.result),
        error=_view_error(record.error),
        stack=view_stack(record),
        callback=view_callback(record.callback, delivery),
        attempts=[_view_attempt(attempt) for attempt in record.attempts],
    )


def view_summary(record: JobSummary, declared: Declaration) -> JobView:
    """Return the job as a list shows it."""
    timeout_ms = given(record.timeout_ms, declared.timeout_ms)
    error = record.error
    return JobView(
        id=record.id,
        type=record.type,
        queue=record.queue,
        priority=record.priority,
        status=record.status,
        cancel_requested_at=_instant(record.cancel_requested_ms),
        cancelled_by=None if record.cancelled_by is None else record.cancelled_by.who,
        cancel_reason=None if record.cancelled_by is None else record.cancelled_by.reason,
        tags=list(record.tags),
        progress=_view_progress(record),
        log_bytes=record.log_bytes,
        attempt=record.attempt,
        failures=record.failures,
        crashes=record.crashes,
        max_attempts=given(record.max_attempts, declared.max_attempts),
        max_crashes=given(record.max_crashes, declared.max_crashes),
        timeout=timeout_ms / 1000 if timeout_ms else None,
        memory_limit_mb=given(record.memory_limit_mb, declared.memory_limit_mb),
        created_at=_instant(record.created_ms),
        run_at=_instant(record.run_at_ms),
        expires_at=_instant(record.expires_ms),
        started_at=_instant(record.started_ms),
        ended_at=_instant(record.ended_ms),
        wait_seconds=_seconds(_due_ms(record), record.started_ms),
        run_seconds=_seconds(record.started_ms, record.ended_ms),
        supervisor=record.owner,
        worker=record.worker,
        reason=record.held or record.reason,
        error=None if error is None else ErrorView(error.type, error.message, UNSET),
        receipt=record.receipt,
        trace_id=record.trace_id,
    )


def format_instant(ms: int) -> str:
    """Return a time as RFC 3339 in UTC.

    >>> format_instant(1_769_850_000_123)
    '2026-01-31T09:00:00.123Z'
    """
    instant = _EPOCH + timedelta(milliseconds=ms)
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def view_stack(record: JobRecord) -> StackView | None:
    """Return the stack that was asked for; None if it is an earlier attempt's."""
    if record.stack_ms is None or record.stack_ms < given(record.started_ms, 0):
        return None
    taken_at = format_instant(record.stack_ms)
    return StackView(record.id, record.attempt, taken_at, record.stack or None, record.no_stack or None)


def raw_json(value: bytes) -> Raw | None:
    """Return what is handed on as it is; None if it is no JSON, which would spoil the answer whole."""
    try:
        value.decode()
        msgspec.json.decode(value, type=Raw)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return Raw(value)


def _view_attempt(attempt: Attempt) -> AttemptView:
    detail = attempt.detail
    return AttemptView(
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        started_at=format_instant(attempt.started_ms),
        ended_at=format_instant(attempt.ended_ms),
        duration=(attempt.ended_ms - attempt.started_ms) / 1000,
        error=_view_error(detail.error),
        signal=detail.signal,
        exit_code=detail.exit_code,
        killed_by=detail.killed_by,
        worker=attempt.worker,
        supervisor=attempt.supervisor,
        receipt=detail.receipt,
        reason=detail.reason,
        stack=detail.stack,
        no_stack=detail.no_stack,
    )


def _view_progress(record: JobSummary) -> ProgressView | None:
    if record.progress is None:
        return None
    return ProgressView(record.progress.fraction, record.progress.message, format_instant(record.progress_ms or 0))


def _view_error(error: ErrorInfo | None) -> ErrorView | None:
    return None if error is None else ErrorView(error.type, error.message, error.traceback)


def _due_ms(record: JobSummary) -> int | None:
    if record.created_ms is None or record.run_at_ms is None:
        return None
    return max(record.created_ms, record.run_at_ms)


def _instant(ms: int | None) -> str | None:
    return None if ms is None else format_instant(ms)


def _seconds(start_ms: int | None, end_ms: int | None) -> float | None:
    # A job that waits for its retry was started before it is due.
    if start_ms is None or end_ms is None or end_ms < start_ms:
        return None
    return (end_ms - start_ms) / 1000
