"""Attempts as spans of OpenTelemetry: what records them the handlers' modules set up; without that, nothing does."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jobworker.supervisor.messages import Assignment

_HEADERS: Final = TraceContextTextMapPropagator()


@contextmanager
def recorded(assignment: Assignment) -> Generator[str]:
    """Run an attempt within a span whose parent is what the job's request came from.

    Yields the trace to hand on: the span's own if there is one, else the one that came.
    """
    parent, _, state = assignment.trace.partition(" ")
    came_from = _HEADERS.extract({"traceparent": parent, "tracestate": state} if parent else {})
    tracer = trace.get_tracer("jobworker")
    with tracer.start_as_current_span(
        assignment.type, context=came_from, kind=trace.SpanKind.CONSUMER, attributes=_attributes(assignment)
    ):
        carrier: dict[str, str] = {}
        _HEADERS.inject(carrier)
        yield " ".join(carrier[name] for name in ("traceparent", "tracestate") if name in carrier)


def _attributes(assignment: Assignment) -> dict[str, str | int]:
    return {
        "messaging.system": "jobworker",
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "messaging.destination.name": assignment.queue,
        "messaging.message.id": assignment.id,
        "messaging.message.body.size": len(assignment.payload),
        "jobworker.attempt": assignment.attempt,
    }
