"""Handlers within spans, with OpenTelemetry and without, and the trace that they hand on."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobworker.handlers import Job
from jobworker.store.states import Outcome
from jobworker.supervisor import execution, opentelemetry, spans
from tests.unit.supervisor.execution_bench import Bench

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01 congo=t61"


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What an SDK has recorded, as a module of handlers sets it up; for this test only."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def hands_on(job: Job) -> list[str | None]:
    job.submit("mail")
    return [job.traceparent, job.tracestate]


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize("span_of", [spans.without_span, opentelemetry.recorded])
@pytest.mark.parametrize("came", [TRACE, TRACE.partition(" ")[0], ""])
def test_where_nothing_is_recorded_the_trace_that_came_is_handed_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, span_of: spans.SpanOf, came: str
) -> None:
    monkeypatch.setattr(execution, "span_of", span_of)
    report = bench.run(hands_on, trace=came)
    parent, _, state = came.partition(" ")
    assert msgspec.json.decode(report.result) == [parent or None, state or None]
    assert [job.trace for job in report.follow_ups] == [came]


def test_with_the_extra_attempts_are_spans(bench: Bench) -> None:
    assert spans.span_of is opentelemetry.recorded


def test_a_recorded_span_has_the_request_for_its_parent_and_is_the_parent_of_what_follows(
    bench: Bench, recorded: InMemorySpanExporter
) -> None:
    kind = bench.declare(hands_on)
    report = bench.assign(kind, trace=TRACE)
    span = only(recorded)
    assert span.context is not None
    assert span.parent is not None
    assert (span.name, span.kind) == (kind, trace.SpanKind.CONSUMER)
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == SPAN_ID
    own = f"00-{TRACE_ID}-{span.context.span_id:016x}-"
    [parent, state] = msgspec.json.decode(report.result)
    assert parent[:-2] == own
    assert state == "congo=t61"
    assert report.follow_ups[0].trace == f"{parent} {state}"
    assert dict(span.attributes or {}) == {
        "messaging.system": "jobworker",
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "messaging.destination.name": "images",
        "messaging.message.id": "job-1",
        "messaging.message.body.size": 4,
        "jobworker.attempt": 2,
    }


def test_a_job_without_a_trace_begins_one(bench: Bench, recorded: InMemorySpanExporter) -> None:
    bench.run(hands_on)
    bench.run(hands_on)
    first, second = recorded.get_finished_spans()
    assert first.parent is None
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id


def test_a_coroutine_runs_within_the_span_and_a_failure_is_one_of_the_span(
    bench: Bench, recorded: InMemorySpanExporter
) -> None:
    async def within(job: Job) -> None:
        await asyncio.sleep(0)
        assert f"{trace.get_current_span().get_span_context().span_id:016x}" == str(job.traceparent)[36:52]
        raise ValueError("no such luck")

    report = bench.run(within, trace=TRACE)
    assert report.outcome is Outcome.RAISED
    assert report.error is not None
    assert report.error.message == "no such luck"
    assert "opentelemetry" not in str(report.error.traceback)
    assert not only(recorded).status.is_ok
    assert not trace.get_current_span().get_span_context().is_valid
