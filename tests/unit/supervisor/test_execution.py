"""One attempt in a worker: whatever the handler does becomes a report."""

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from msgspec import Struct

from jobworker.handlers import Fail, Job, Retry
from jobworker.store.states import Outcome
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.execution import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS
from tests.unit.supervisor.execution_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_what_the_handler_returns_is_the_result(bench: Bench) -> None:
    report = bench.run(lambda payload: {"got": payload}, [1, "two"])
    assert (report.token, report.outcome, report.result) == (5, Outcome.SUCCEEDED, b'{"got":[1,"two"]}')
    assert report.receipt is not None
    assert report.error is None


def test_the_job_tells_about_the_attempt(bench: Bench) -> None:
    seen: list[Job] = []

    def look(payload: Any, job: Job) -> None:
        seen.append(job)

    before = time.monotonic()
    bench.run(look)
    (job,) = seen
    assert (job.id, job.queue, job.attempt, job.max_attempts) == ("job-1", "images", 2, 3)
    assert (job.fencing_token, job.created_at) == (5, datetime.fromtimestamp(1_700_000_000.5, UTC))
    assert job.deadline_monotonic is not None
    assert before + 60 <= job.deadline_monotonic <= time.monotonic() + 60


def test_without_a_deadline_no_seconds_are_left(bench: Bench) -> None:
    assert bench.run(lambda _payload, job: job.seconds_left, timeout_seconds=None).result == b"null"


def test_a_coroutine_is_awaited_on_one_loop_for_all(bench: Bench) -> None:
    async def which(n: int) -> int:
        await asyncio.sleep(0)
        return n + id(asyncio.get_running_loop())

    assert bench.run(which, 1).outcome is Outcome.SUCCEEDED
    assert bench.run(which, 1).result == bench.run(which, 1).result


def test_tasks_that_a_handler_leaves_are_cancelled_before_the_next_job(bench: Bench) -> None:
    ends: list[str] = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ends.append("cancelled")

    async def leave() -> None:
        bench.left = asyncio.create_task(sleeper())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    async def count() -> int:
        return len(asyncio.all_tasks())

    alone = bench.run(count).result
    assert bench.run(leave).outcome is Outcome.SUCCEEDED
    assert ends == ["cancelled"]
    assert bench.run(count).result == alone


def test_a_task_that_fails_while_it_is_cancelled_changes_nothing(bench: Bench) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            raise ValueError("not me") from None

    async def leave() -> str:
        bench.left = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "done"

    assert bench.run(leave).result == b'"done"'


def test_threads_of_the_loop_have_ended_with_the_job_and_the_next_gets_new_ones(bench: Bench) -> None:
    before = threading.active_count()

    async def look_up() -> str:
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    for _ in range(2):
        assert bench.run(look_up).outcome is Outcome.SUCCEEDED
        assert threading.active_count() == before


def test_context_variables_of_one_job_are_unknown_to_the_next(bench: Bench) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def sync() -> str:
        found = variable.get()
        variable.set("set")
        return found

    async def async_() -> str:
        return sync()

    for function in (sync, async_, sync, async_):
        assert bench.run(function).result == b'"unset"'
    variable.set("ours")
    assert bench.run(sync).result == b'"unset"'


def test_an_async_handler_s_context_is_that_of_its_job(bench: Bench) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def sets() -> int:
        variable.set(1)
        return await asyncio.create_task(reads())

    async def reads() -> int:
        return variable.get()

    assert bench.run(sets).result == b"1"


class Order(Struct):
    number: int


def ship(order: Order) -> None:
    """Never called with what is no order."""


def test_a_payload_that_does_not_fit_is_rejected_for_good(bench: Bench) -> None:
    report = bench.run(ship, {"number": "seven"})
    assert (report.outcome, report.final, report.reason) == (Outcome.REJECTED, True, "invalid_payload")
    assert report.error is not None
    assert "Expected `int`, got `str`" in report.error.message


def test_a_type_that_nobody_declared_is_unhandled(bench: Bench) -> None:
    report = bench.assign("nobody")
    assert (report.outcome, report.final) == (Outcome.UNHANDLED, False)
    assert report.error is not None
    assert report.error.message == "no handler nobody on this supervisor"


@pytest.mark.parametrize("value", [object(), float("nan"), "x" * 1024 * 1024, sys])
def test_a_result_that_is_none_fails_for_good(bench: Bench, value: Any) -> None:
    report = bench.run(lambda: value)
    assert (report.outcome, report.final, report.reason) == (Outcome.BAD_RESULT, True, "bad_result")


def test_an_exception_is_told_with_a_traceback_that_begins_in_the_handler(bench: Bench) -> None:
    def inner() -> None:
        raise KeyError("missing")

    def outer() -> None:
        inner()

    report = bench.run(outer)
    assert (report.outcome, report.final) == (Outcome.RAISED, False)
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("KeyError", "'missing'")
    assert report.error.traceback is not None
    lines = report.error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in outer")
    assert not [line for line in lines if "/supervisor/execution.py" in line]


def test_so_is_that_of_a_coroutine(bench: Bench) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    report = bench.run(fails)
    assert report.error is not None
    assert report.error.traceback is not None
    assert report.error.traceback.splitlines()[1].endswith("in fails")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError("much")])
def test_what_would_end_a_process_is_a_failed_attempt(bench: Bench, error: BaseException) -> None:
    report = bench.raised(error)
    assert report.outcome is Outcome.RAISED
    assert report.error is not None
    assert report.error.type == type(error).__name__
    assert bench.run(lambda: 1).result == b"1"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_so_it_is_in_a_coroutine_and_the_loop_goes_on(bench: Bench, error: BaseException) -> None:
    async def leave() -> None:
        raise error

    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    report = bench.run(leave)
    assert report.outcome is Outcome.RAISED
    assert report.error is not None
    assert report.error.type == type(error).__name__
    assert bench.run(one).result == b"1"


def test_a_group_of_exceptions_is_told_as_one(bench: Bench) -> None:
    report = bench.raised(ExceptionGroup("two", [ValueError("a"), TypeError("b")]))
    assert report.error is not None
    assert report.error.type == "ExceptionGroup"
    assert report.error.traceback is not None
    assert "TypeError: b" in report.error.traceback


def test_retry_carries_its_delay_and_its_reason(bench: Bench) -> None:
    report = bench.raised(Retry(after=2.5, reason="busy"))
    assert (report.outcome, report.final) == (Outcome.RAISED, False)
    assert (report.retry_after_seconds, report.reason) == (2.5, "busy")


def test_retry_without_a_delay_leaves_it_to_the_backoff(bench: Bench) -> None:
    report = bench.raised(Retry())
    assert (report.retry_after_seconds, report.reason) == (None, "")


@pytest.mark.parametrize(("said", "reason"), [("gone", "gone"), ("", "fail"), (" ", "fail")])
def test_fail_ends_the_job_for_its_reason(bench: Bench, said: str, reason: str) -> None:
    report = bench.raised(Fail(said))
    assert (report.outcome, report.final, report.reason) == (Outcome.RAISED, True, reason)


@pytest.mark.parametrize("error", [Fail(ValueError("gone")), Retry(reason=ValueError("gone"))])  # type: ignore[arg-type]
def test_a_reason_that_is_no_text_becomes_one(bench: Bench, error: BaseException) -> None:
    assert bench.raised(error).reason == "gone"


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("unreadable")


def test_a_message_that_cannot_be_read_is_no_crash(bench: Bench) -> None:
    report = bench.raised(Unreadable())
    assert report.error is not None
    assert report.error.message == "<its message cannot be read>"


def test_long_messages_and_tracebacks_keep_their_ends(bench: Bench) -> None:
    report = bench.raised(ValueError("a" * 100_000 + "the cause"))
    assert report.error is not None
    assert len(report.error.message) == MESSAGE_CHARACTERS + 2
    assert report.error.message.startswith("… aaa")
    assert report.error.message.endswith("the cause")
    assert report.error.traceback is not None
    assert len(report.error.traceback) == TRACEBACK_CHARACTERS + 2


def test_a_lone_surrogate_in_a_message_can_be_sent(bench: Bench) -> None:
    report = bench.raised(ValueError("bad \udcff name"))
    assert report.error is not None
    assert report.error.message == "bad ? name"
    msgspec.msgpack.encode(report)


def test_endless_recursion_is_a_failed_attempt(bench: Bench) -> None:
    def again() -> None:
        again()

    report = bench.run(again)
    assert report.error is not None
    assert report.error.type == "RecursionError"


def test_the_start_is_written_down_for_the_supervisor(bench: Bench) -> None:
    before = time.monotonic_ns()
    written = bench.run(lambda: bench.board.started_ns).result
    assert written is not None
    assert before <= int(written) <= time.monotonic_ns()


def test_past_the_fence_nothing_is_started(bench: Bench) -> None:
    called: list[int] = []
    bench.board.fence_ns = boottime_ns()
    report = bench.run(lambda: called.append(1))
    assert (report.outcome, report.reason, report.receipt) == (Outcome.SHUTDOWN, "not started", None)
    assert called == []
    assert bench.board.started_ns == 0


def test_nothing_of_a_job_stays_in_memory(bench: Bench) -> None:
    class Big:
        alive = 0

        def __init__(self) -> None:
            Big.alive += 1

        def __del__(self) -> None:
            Big.alive -= 1

    def fails() -> None:
        big = Big()
        raise ValueError(str(big)[:3])

    bench.run(fails)
    assert sys.exc_info() == (None, None, None)
    assert Big.alive == 0


class Nameless(Fail):
    def __init__(self) -> None:
        """Calls no `super().__init__`."""


class Later(Retry):
    def __init__(self) -> None:
        """Calls no `super().__init__`."""


class Spiteful:
    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "final"), [(Nameless(), True), (Later(), False), (Fail(cast("str", Spiteful())), True)]
)
def test_an_ending_without_a_readable_reason_keeps_its_meaning(bench: Bench, error: Exception, final: bool) -> None:
    report = bench.raised(error)
    assert (report.outcome, report.final) == (Outcome.RAISED, final)
    assert report.error is not None
    assert report.error.type == type(error).__name__
