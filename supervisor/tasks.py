"""What the tasks of an async handler wait for: its thread's stack shows an idle event loop, which is no news."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from jobworker.supervisor.board import MAX_TASKS_BYTES, Board

#: Asks the worker's own Python code, which an idle loop runs at once; one that is blocked never does.
TASKS_SIGNAL: Final[int] = signal.SIGRTMAX - 3
#: As many as faulthandler tells of a thread: the innermost.
MOST_FRAMES: Final = 100

_FOLDER: Final = f"{Path(__file__).parent}/"


class Tasks:
    """Owns the event loop whose tasks are told.

    Told:   watch (by the execution, when a coroutine begins); tell (by the supervisor, through a signal).
    Tells:  the supervisor, on the board.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, token: int, loop: asyncio.AbstractEventLoop) -> None:
        """Let it be asked from now on: the attempt `token` is a coroutine."""
        self._loop = loop
        self._board.coroutine = token

    def tell(self, _number: int, _frame: object) -> None:
        """Write down where the tasks are; a handler of signals, in the midst of whatever the job does."""
        token, loop = self._board.coroutine, self._loop
        if token and loop is not None:
            # A failure of ours is no reason for the job to fail.
            with suppress(Exception):
                self._board.write_tasks(token, describe(loop))


def describe(loop: asyncio.AbstractEventLoop) -> str:
    """Return the stacks of a loop's tasks as faulthandler writes those of threads, the job's own first."""
    told = [(_is_ours(task), task.get_name(), _frames(task.get_coro())) for task in asyncio.all_tasks(loop)]
    sections = [
        _section("of the job" if own else name, frames) for own, name, frames in sorted(told, key=_rank) if frames
    ]
    return "\n\n".join(sections).encode()[:MAX_TASKS_BYTES].decode(errors="ignore")


def _rank(told: tuple[bool, str, list[str]]) -> tuple[bool, int, str]:
    own, name, _ = told
    return not own, len(name), name


def _section(name: str, frames: list[str]) -> str:
    kept = frames[-MOST_FRAMES:]
    more = [f"  … {len(frames) - len(kept)} more frames"] if len(frames) > len(kept) else []
    return "\n".join((f"Task {name} (most recent call first):", *reversed(kept), *more))


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return isinstance(code, CodeType) and code.co_filename.startswith(_FOLDER)


def _frames(awaitable: object) -> list[str]:
    """Return where a coroutine is, and what it awaits, and so on; without our own that drives the handler's."""
    return [
        f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
        for frame in _chain(awaitable)
        if not frame.f_code.co_filename.startswith(_FOLDER)
    ]


def _chain(awaitable: object) -> Iterator[FrameType]:
    while awaitable is not None:
        frame = _attribute(awaitable, "frame")
        if not isinstance(frame, FrameType):
            return
        yield frame
        # Our generator that steps through a handler's coroutine does not seem to await it.
        is_ours = frame.f_code.co_filename.startswith(_FOLDER)
        awaitable = _attribute(awaitable, "await") or (frame.f_locals.get("coroutine") if is_ours else None)


def _attribute(awaitable: object, name: str) -> object:
    """Return its frame, or what it awaits, whether it is a coroutine, a generator or an asynchronous generator."""
    names = (f"cr_{name}", "gi_yieldfrom" if name == "await" else f"gi_{name}", f"ag_{name}")
    return next((found for each in names if (found := getattr(awaitable, each, None)) is not None), None)
