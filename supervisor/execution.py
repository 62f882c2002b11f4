"""Running one job in a worker: resolve, decode, call, encode, report."""

import asyncio
import contextvars
import math
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from jobworker.handlers import Fail, Job, Retry, SoftTimeout
from jobworker.handlers.calling import call
from jobworker.handlers.errors import BadResult, InvalidPayload
from jobworker.handlers.registry import Handler, Registry
from jobworker.handlers.result import encode_result
from jobworker.handlers.submission import FollowUp
from jobworker.handlers.user_traceback import user_traceback
from jobworker.store.job import ErrorInfo
from jobworker.store.states import Outcome
from jobworker.supervisor.board import Board, boottime_ns
from jobworker.supervisor.messages import Assignment, Report
from jobworker.supervisor.receipts import Meter
from jobworker.supervisor.soft_timeout import Interrupter, cut_our_frame
from jobworker.supervisor.spans import span_of
from jobworker.supervisor.tasks import Tasks

#: How much of a message and of a traceback is kept: its end, where the cause is.
MESSAGE_CHARACTERS: Final = 8_000
TRACEBACK_CHARACTERS: Final = 32_000
#: Between two words to the supervisor that there is a new progress.
NUDGE_SECONDS: Final = 0.1


class Teller:
    """Tells the supervisor one attempt's progress: on the board each time, with a nudge now and then.

    After a nudge the supervisor looks twice, the second time later than NUDGE_SECONDS: so it misses none.
    """

    def __init__(self, token: int, board: Board, nudge: Callable[[int], object]) -> None:
        self._token = token
        self._board = board
        self._nudge = nudge
        self._nudged_at = -math.inf
        self._is_over = False

    def tell(self, fraction: float | None, message: str) -> None:
        """Write it down; whoever writes a thousand a second nudges ten times."""
        if self._is_over:
            return
        self._board.write_progress(fraction, message)
        now = time.monotonic()
        if now - self._nudged_at >= NUDGE_SECONDS:
            self._nudged_at = now
            self._nudge(self._token)

    def close(self) -> None:
        """Take nothing more: a thread that the job has left tells nothing of the next one."""
        self._is_over = True


class Execution:
    """Owns what attempts in this worker share: the handlers, the event loop, the meter."""

    def __init__(self, registry: Registry, board: Board, nudge: Callable[[int], object]) -> None:
        self._registry = registry
        self._board = board
        self._nudge = nudge
        self._runner = asyncio.Runner()
        self._meter = Meter()
        self._interrupter = Interrupter(board)
        self.tasks = Tasks(board)

    def run(self, assignment: Assignment) -> Report:
        """Run the attempt; whatever the handler does short of ending the process becomes a report."""
        if self._board.fence_ns <= boottime_ns():
            # Our lease may be over: another supervisor may already have the job.
            return Report(assignment.token, Outcome.SHUTDOWN, reason="not started")
        # The start comes last: once it is there, what it is to be compared with is there too.
        self._board.baseline = self._meter.start()
        self._board.started_ns = time.monotonic_ns()
        report = self._attempt(assignment)
        return replace(report, receipt=self._meter.stop())

    def _attempt(self, assignment: Assignment) -> Report:
        token = assignment.token
        teller = Teller(token, self._board, self._nudge)
        try:
            handler = self._registry.get(assignment.type)
            if handler is None:
                error = ErrorInfo("unhandled", f"no handler {assignment.type} on this supervisor")
                return Report(token, Outcome.UNHANDLED, error=error)
            payload = handler.decode(assignment.payload)
            if assignment.soft_timeout_seconds is not None:
                handler = self._interrupter.guard(handler, token, assignment.soft_timeout_seconds)
            # A fresh context a job: what one sets in context variables, the next does not see.
            value, follow_ups = contextvars.Context().run(self._call, handler, payload, assignment, teller)
            return Report(token, Outcome.SUCCEEDED, result=encode_result(value), follow_ups=follow_ups)
        except BaseException as error:  # SystemExit, KeyboardInterrupt and their like are the handler's failure too
            return _report_error(token, error)
        finally:
            teller.close()

    def _call(
        self, handler: Handler, payload: Any, assignment: Assignment, teller: Teller
    ) -> tuple[Any, tuple[FollowUp, ...]]:
        """Return what the handler returns, and what it has submitted."""
        with span_of(assignment) as trace:
            job = _job(assignment, teller, trace)
            value = call(handler, payload, job, partial(self._run_async, assignment.token))
        return value, job.submissions.close()

    def _run_async(self, token: int, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self.tasks.watch(token, self._runner.get_loop())
        return self._runner.run(self._alone(token, coroutine), context=contextvars.copy_context())

    async def _alone(self, token: int, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await the handler, then end what it left: the next job's loop is clean, as after `asyncio.run`."""
        # Of its own: the loop's threads (look-ups of host names, `to_thread`) would stay, and count as left running.
        executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
        asyncio.get_running_loop().set_default_executor(executor)
        try:
            return await coroutine
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # Whom a soft timeout has interrupted has no time to wait for a thread: it is left running.
            interrupted = self._board.interrupted == token
            executor.shutdown(wait=not interrupted, cancel_futures=interrupted)


def _job(assignment: Assignment, teller: Teller, trace: str) -> Job:
    timeout_seconds = assignment.timeout_seconds
    return Job(
        id=assignment.id,
        type=assignment.type,
        queue=assignment.queue,
        attempt=assignment.attempt,
        max_attempts=assignment.max_attempts,
        fencing_token=assignment.token,
        created_at=datetime.fromtimestamp(assignment.created_ms / 1000, UTC),
        trace=trace,
        tags=assignment.tags,
        deadline_monotonic=None if timeout_seconds is None else time.monotonic() + timeout_seconds,
        tell_progress=teller.tell,
    )


def _report_error(token: int, error: BaseException) -> Report:
    make = next((make for kind, make in _REPORTS if isinstance(error, kind)), _raised)
    return make(token, error)


def _raised(token: int, error: BaseException) -> Report:
    return Report(token, Outcome.RAISED, error=_error_info(error))


def _retry(token: int, error: Any) -> Report:
    return Report(
        token,
        Outcome.RAISED,
        retry_after_seconds=getattr(error, "after", None),
        reason=_reason(error),
        error=_error_info(error),
    )


def _fail(token: int, error: Any) -> Report:
    # Without a text of its own it has failed for no other reason than this.
    reason = _reason(error).strip() or "fail"
    return Report(token, Outcome.RAISED, final=True, reason=reason, error=_error_info(error))


def _soft_timeout(token: int, error: BaseException) -> Report:
    cut_our_frame(error.__traceback__)
    return Report(token, Outcome.TIMED_OUT, error=_error_info(error))


def _invalid_payload(token: int, error: BaseException) -> Report:
    info = ErrorInfo("InvalidPayload", _clip(str(error), MESSAGE_CHARACTERS))
    return Report(token, Outcome.REJECTED, final=True, reason="invalid_payload", error=info)


def _bad_result(token: int, error: BaseException) -> Report:
    info = ErrorInfo("BadResult", _clip(str(error), MESSAGE_CHARACTERS))
    return Report(token, Outcome.BAD_RESULT, final=True, reason="bad_result", error=info)


_REPORTS: Final[tuple[tuple[type[BaseException], Callable[[int, Any], Report]], ...]] = (
    (Retry, _retry),
    (Fail, _fail),
    (SoftTimeout, _soft_timeout),
    (InvalidPayload, _invalid_payload),
    (BadResult, _bad_result),
)


def _reason(error: Any) -> str:
    # A subclass that does not call `super().__init__` has none.
    return _text(getattr(error, "reason", None) or "")


def _text(value: object) -> str:
    try:
        text = str(value)
    except BaseException:  # the author's __str__ may raise anything
        text = "<its message cannot be read>"
    return _clip(text, MESSAGE_CHARACTERS)


def _error_info(error: BaseException) -> ErrorInfo:
    return ErrorInfo(
        type=type(error).__name__,
        message=_text(error),
        traceback=_clip(user_traceback(error), TRACEBACK_CHARACTERS),
    )


def _clip(text: str, characters: int) -> str:
    # Lone surrogates cannot be encoded, and a report that cannot be sent would be a crash.
    text = text.encode(errors="replace").decode()
    return text if len(text) <= characters else "… " + text[-characters:]
