"""Spans around handlers: those of OpenTelemetry with the extra `otel`, else none."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeAlias

from jobworker.supervisor.messages import Assignment

#: Runs an attempt within a span, and yields the trace to hand on, as `Assignment.trace`.
SpanOf: TypeAlias = Callable[[Assignment], AbstractContextManager[str]]


@contextmanager
def without_span(assignment: Assignment) -> Generator[str]:
    """Yield the trace that came."""
    yield assignment.trace


def _found() -> SpanOf:
    # Before the fork, so that workers share what is imported.
    try:
        from jobworker.supervisor.opentelemetry import recorded
    except ImportError:
        return without_span
    return recorded


span_of: Final = _found()
