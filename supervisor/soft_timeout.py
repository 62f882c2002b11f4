"""Interrupting a handler when its soft timeout has passed: in its worker, once, and nothing but the handler."""

import asyncio
import inspect
import signal
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from functools import partial
from types import FrameType, TracebackType
from typing import Any

from jobworker.handlers import SoftTimeout
from jobworker.handlers.registry import Handler
from jobworker.supervisor.board import Board
from jobworker.supervisor.process import SOFT_TIMEOUT_SIGNAL


class Interrupter:
    """Owns the time in which a handler may be interrupted.

    Told:   guard this handler (by the execution); the time has come (by the supervisor: a signal, and on the board for
            which attempt it is meant).
    Tells:  the handler, by SoftTimeout: where it is at the moment, or at its next `await`.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        #: Of the attempt whose handler runs and has not been told; 0: none, and nothing may be raised.
        self._token = 0
        self._seconds = 0.0
        #: The task of an `async def` handler.
        self._task: asyncio.Task[Any] | None = None
        self._interrupting = False

    def guard(self, handler: Handler, token: int, seconds: float) -> Handler:
        """Return the handler as it is to be called in the attempt `token`."""
        board = self._board

        # All that is ours while something may be raised is in this one frame, and `_take` leaves it alone.
        def guarded(*arguments: Any) -> Any:
            try:
                self._token = token
                if board.interrupted == token:
                    raise self._error()
                result = handler.function(*arguments)
            finally:
                self._token = 0
            return self._drive(result, token) if inspect.iscoroutine(result) else result

        self._seconds = seconds
        # Each time: a handler may have put its own in its place.
        signal.signal(SOFT_TIMEOUT_SIGNAL, partial(self._take, guarded.__code__))
        return replace(handler, function=guarded)

    def _take(self, ours: types.CodeType, _number: int, frame: FrameType | None) -> None:
        token = self._token
        # A signal that comes late was meant for an attempt that has ended, or is the second one.
        if not token or self._board.interrupted != token:
            return
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._interrupt_task, token)
        elif frame is not None and frame.f_code is not ours:
            self._token = 0
            raise self._error()

    def _error(self) -> SoftTimeout:
        return SoftTimeout(f"the soft timeout of {self._seconds:g} s has passed")

    async def _drive(self, coroutine: Coroutine[Any, Any, Any], token: int) -> Any:
        self._task, self._token, self._interrupting = asyncio.current_task(), token, False
        try:
            if self._board.interrupted == token:
                self._interrupt_task(token)
            return await self._steps(coroutine)
        finally:
            self._task, self._token = None, 0

    @types.coroutine
    def _steps(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, None, Any]:
        """Await the coroutine as `await` does, but for what it is told of a cancellation that is ours."""
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as stop:
                return stop.value
            try:
                yield awaited
                step = partial(coroutine.send, None)
            except BaseException as error:  # whatever is thrown in goes on to the handler
                step = partial(coroutine.throw, self._translated(error))

    def _interrupt_task(self, token: int) -> None:
        if self._task is not None and self._token == token:
            self._token = 0
            self._interrupting = True
            self._task.cancel()

    def _translated(self, error: BaseException) -> BaseException:
        if not (self._interrupting and isinstance(error, asyncio.CancelledError)) or self._task is None:
            return error
        self._interrupting = False
        # It is no cancellation any more: what the handler awaits from here on is awaited as ever.
        self._task.uncancel()
        return self._error()


def cut_our_frame(traceback: TracebackType | None) -> None:
    """Let a traceback end where the handler was interrupted, not where we raise."""
    while traceback is not None and (following := traceback.tb_next) is not None:
        if following.tb_frame.f_globals is globals() and following.tb_next is None:
            traceback.tb_next = None
        traceback = following
