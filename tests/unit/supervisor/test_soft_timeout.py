"""Interrupting handlers: the handler alone, once, and only in the attempt that is meant."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobworker.handlers import Retry, SoftTimeout
from jobworker.store.states import Outcome
from jobworker.supervisor.messages import Report
from jobworker.supervisor.process import SOFT_TIMEOUT_SIGNAL, do_nothing
from tests.unit.supervisor.execution_bench import Bench

TOKEN = 5


class Interruptions(Bench):
    """Runs functions with a soft timeout, and interrupts them as a supervisor does."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def run(self, function: Callable[..., Any], payload: Any = None, **fields: Any) -> Report:
        return super().run(function, payload, **{"soft_timeout_seconds": 0.25, **fields})

    def interrupt(self, token: int = TOKEN) -> None:
        self.board.interrupted = token
        os.kill(os.getpid(), SOFT_TIMEOUT_SIGNAL)

    @contextmanager
    def interrupting_from_outside(self) -> Generator[None]:
        """Interrupt when the handler has said that it waits: again and again, as it may not wait quite yet."""
        self.waits = threading.Event()
        over = threading.Event()

        def interrupt() -> None:
            self.waits.wait(10)
            self.board.interrupted = TOKEN
            while not over.wait(0.02):
                signal.pthread_kill(threading.main_thread().ident or 0, SOFT_TIMEOUT_SIGNAL)

        thread = threading.Thread(target=interrupt, daemon=True)
        thread.start()
        yield
        over.set()
        thread.join()


@pytest.fixture
def bench() -> Iterator[Interruptions]:
    before = signal.signal(SOFT_TIMEOUT_SIGNAL, do_nothing)
    bench = Interruptions()
    yield bench
    bench.close()
    signal.signal(SOFT_TIMEOUT_SIGNAL, before)


def test_a_handler_that_lets_it_pass_has_timed_out_with_its_own_traceback(bench: Interruptions) -> None:
    def work() -> None:
        bench.interrupt()
        while True:
            pass

    report = bench.run(work)
    assert report.outcome is Outcome.TIMED_OUT
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("SoftTimeout", "the soft timeout of 0.25 s has passed")
    assert report.error.traceback is not None
    assert "in work" in report.error.traceback
    assert "soft_timeout.py" not in report.error.traceback.replace("test_soft_timeout.py", "")
    assert report.receipt is not None


def test_a_wait_ends(bench: Interruptions) -> None:
    def work() -> None:
        bench.waits.set()
        time.sleep(60)

    with bench.interrupting_from_outside():
        assert bench.run(work).outcome is Outcome.TIMED_OUT


def test_a_handler_may_catch_it_tidy_up_and_return(bench: Interruptions) -> None:
    def work() -> str:
        try:
            bench.interrupt()
            time.sleep(60)
        except SoftTimeout:
            return "half of it"
        return "all of it"

    report = bench.run(work)
    assert (report.outcome, report.result) == (Outcome.SUCCEEDED, b'"half of it"')


def test_what_the_handler_raises_instead_counts(bench: Interruptions) -> None:
    def work() -> None:
        try:
            bench.interrupt()
            time.sleep(60)
        except SoftTimeout:
            raise Retry(after=7) from None

    report = bench.run(work)
    assert (report.outcome, report.retry_after_seconds) == (Outcome.RAISED, 7)


def test_except_exception_does_not_swallow_it_and_finally_runs(bench: Interruptions) -> None:
    def work() -> None:
        try:
            bench.interrupt()
            time.sleep(60)
        except Exception:
            bench.events.append("swallowed")
        finally:
            bench.events.append("tidied up")

    assert bench.run(work).outcome is Outcome.TIMED_OUT
    assert bench.events == ["tidied up"]


def test_a_signal_for_another_attempt_interrupts_nobody(bench: Interruptions) -> None:
    def work() -> str:
        bench.interrupt(TOKEN - 1)
        return "undisturbed"

    assert bench.run(work).result == b'"undisturbed"'


def test_a_signal_after_the_end_hits_neither_us_nor_the_next_job(bench: Interruptions) -> None:
    assert bench.run(lambda: 1).result == b"1"
    bench.interrupt()
    assert bench.run(lambda: 2, token=TOKEN + 1).result == b"2"
    bench.interrupt()


def test_a_result_is_not_lost_by_a_signal_at_any_moment(bench: Interruptions) -> None:
    """A tracer stands in for the kernel at every line of ours that runs while the handler may be interrupted."""
    for line in range(40):
        seen = _interrupt_at_line(bench, line)
        if not seen:
            break
    assert line > 5


def _interrupt_at_line(bench: Interruptions, number: int) -> bool:
    """Run a job and interrupt it at the n-th line that `guarded` runs; return whether it has so many."""
    bench.board.interrupted = 0
    count = 0

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        if frame.f_code.co_name != "guarded":
            return None if frame.f_code.co_name != "call" else trace
        if event in ("line", "return"):
            count += 1
            if count == number + 1:
                bench.board.interrupted = TOKEN
                # The tracer has frames of its own, so a real signal would come in those.
                take: Any = signal.getsignal(SOFT_TIMEOUT_SIGNAL)
                take(SOFT_TIMEOUT_SIGNAL, frame)
        return trace

    bench.events.clear()
    sys.settrace(trace)
    try:
        report = bench.run(lambda: bench.events.append("ran"))
    finally:
        sys.settrace(None)
    # It is raised before the handler runs or not at all.
    assert report.outcome is (Outcome.SUCCEEDED if bench.events else Outcome.TIMED_OUT)
    return count > number


def test_a_signal_before_the_handler_began_is_not_lost(bench: Interruptions) -> None:
    bench.board.interrupted = TOKEN
    assert bench.run(lambda: "result").outcome is Outcome.TIMED_OUT


def test_a_handler_that_took_the_signal_for_itself_is_put_right_by_the_next_attempt(bench: Interruptions) -> None:
    bench.run(lambda: signal.signal(SOFT_TIMEOUT_SIGNAL, do_nothing) and None)

    def work() -> None:
        bench.interrupt()
        time.sleep(60)

    assert bench.run(work).outcome is Outcome.TIMED_OUT


def test_a_coroutine_is_interrupted_at_its_next_await(bench: Interruptions) -> None:
    async def work() -> None:
        bench.interrupt()
        bench.events.append("goes on until it waits")
        try:
            await asyncio.sleep(60)
        except SoftTimeout:
            bench.events.append("interrupted")
            await asyncio.sleep(0)
            bench.events.append("waits as ever")
            raise

    report = bench.run(work)
    assert bench.events == ["goes on until it waits", "interrupted", "waits as ever"]
    assert report.outcome is Outcome.TIMED_OUT
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("SoftTimeout", "the soft timeout of 0.25 s has passed")
    assert report.error.traceback is not None
    assert "in work" in report.error.traceback
    assert "CancelledError" not in report.error.traceback


def test_a_coroutine_that_sleeps_is_woken(bench: Interruptions) -> None:
    async def work() -> str:
        bench.waits.set()
        try:
            await asyncio.sleep(60)
        except SoftTimeout:
            await asyncio.sleep(0.2)
            return "woken once"
        return "slept"

    with bench.interrupting_from_outside():
        assert bench.run(work).result == b'"woken once"'


def test_a_handler_that_tidies_up_is_not_interrupted_again(bench: Interruptions) -> None:
    def work() -> str:
        try:
            bench.waits.set()
            time.sleep(60)
        except SoftTimeout:
            time.sleep(0.2)
            return "interrupted once"
        return "slept"

    with bench.interrupting_from_outside():
        assert bench.run(work).result == b'"interrupted once"'


def test_what_a_coroutine_awaits_together_is_cancelled_and_itself_interrupted(bench: Interruptions) -> None:
    async def part() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            bench.events.append("cancelled")
            raise

    async def work() -> str:
        asyncio.get_running_loop().call_later(0.01, bench.interrupt)
        try:
            async with asyncio.timeout(50), asyncio.TaskGroup() as tasks:
                tasks.create_task(part())
                tasks.create_task(part())
        except SoftTimeout:
            task = asyncio.current_task()
            return f"interrupted, {task.cancelling() if task else -1} cancellations left"
        return "done"

    assert bench.run(work).result == b'"interrupted, 0 cancellations left"'
    assert bench.events == ["cancelled", "cancelled"]


def test_a_coroutine_has_its_result_and_its_errors_as_ever(bench: Interruptions) -> None:
    async def work() -> list[int]:
        return await asyncio.gather(*(asyncio.sleep(0.001, number) for number in range(3)))

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no such luck")

    assert bench.run(work).result == b"[0,1,2]"
    report = bench.run(fail)
    assert report.error is not None
    assert (report.outcome, report.error.type) == (Outcome.RAISED, "ValueError")


def test_a_coroutine_that_waits_for_a_thread_is_interrupted_and_does_not_wait_for_it(bench: Interruptions) -> None:
    gate = threading.Event()

    async def work() -> str:
        bench.waits.set()
        try:
            await asyncio.to_thread(gate.wait, 20)
        except SoftTimeout:
            return "in time"
        return "too late"

    began = time.monotonic()
    with bench.interrupting_from_outside():
        report = bench.run(work)
    took_seconds = time.monotonic() - began
    gate.set()
    assert report.result == b'"in time"'
    assert took_seconds < 15


def test_a_coroutine_that_is_cancelled_by_itself_is_not_interrupted(bench: Interruptions) -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "cancelled"
        return "slept"

    assert bench.run(work).result == b'"cancelled"'


def test_a_late_interruption_hits_no_coroutine_of_the_next_job(bench: Interruptions) -> None:
    async def work() -> str:
        bench.interrupt()
        return "in time"

    async def following() -> str:
        await asyncio.sleep(0.01)
        return "undisturbed"

    assert bench.run(work).result == b'"in time"'
    assert bench.run(following, token=TOKEN + 1).result == b'"undisturbed"'
