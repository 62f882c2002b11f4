"""The Python stack in which a job hangs: a signal asks, and faulthandler answers also while C code holds the GIL."""

import asyncio
import concurrent.futures
import faulthandler
import fcntl
import os
import signal
import threading
from pathlib import Path
from typing import Final

from msgspec import Struct

import jobworker.handlers.calling
from jobworker.supervisor.board import Board
from jobworker.supervisor.procfs import read_signals
from jobworker.supervisor.tasks import TASKS_SIGNAL

#: The one that libraries are least likely to want for themselves; SIGRTMAX is the first that they take.
STACK_SIGNAL: Final = signal.SIGRTMAX - 1
#: How much is kept of a stack.
STACK_CHARACTERS: Final = 16 * 1024
#: How much of a dump is read: its end, where the thread is that runs the job.
DUMP_BYTES: Final = 128 * 1024
#: Who asks for a stack on demand looks so often whether it is there, and gives up after so long: where the CPU is
#: short, which is when people ask, a worker that loops may get none for a while.
LOOK_SECONDS: Final = 0.005
PATIENCE_SECONDS: Final = 1.0
#: In the place of a descriptor: its number may be another file's by now.
CLOSED: Final = -1

_FOLDER: Final = Path(__file__).parent
_CALLING: Final = f'"{jobworker.handlers.calling.__file__}"'
#: Below a handler these are no news: our own code, and what starts threads and event loops.
_MACHINERY: Final = (
    f"{_FOLDER}/",
    f"{_FOLDER.parent / 'cli'}/",
    f"{Path(asyncio.__file__).parent}/",
    f"{Path(concurrent.futures.__file__).parent}/",
    threading.__file__,
    "<frozen runpy>",
)
_HEAD: Final = "(most recent call first):"
#: How faulthandler says that there are more frames than it tells of a thread.
_MORE: Final = "  ..."

#: Why there is no stack.
CLOSED_DESCRIPTOR: Final = "its job has closed the worker's descriptors"
NO_HANDLER: Final = "its job has taken away the worker's handlers of signals"
BLOCKED: Final = "its job blocks the signal that asks for it"
NOT_ASKED: Final = "so many deadlines were due at once that it could not be asked in time"
NO_ANSWER: Final = "its worker had no CPU to answer in time, or hangs in the kernel"
DIED: Final = "its worker died before it could answer"
NOT_IN_HANDLER: Final = "its worker was not in the handler's code"


class Stack(Struct, frozen=True):
    """Where a job was when it was asked."""

    text: str = ""
    #: Why there is none.
    missing: str = ""


#: Of an attempt that did not hang.
NO_STACK: Final = Stack()


class StackFile:
    """Memory that a worker writes its stack into and its supervisor reads, also when the worker is dead."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("jobworker-stack", os.MFD_CLOEXEC)
        # The two share one position: after it was cleared, a dump would be written behind a hole.
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_APPEND)

    def fileno(self) -> int:
        """Return the descriptor, the same on both sides."""
        return self._descriptor

    def close(self) -> None:
        """Release our side."""
        os.close(self._descriptor)
        self._descriptor = CLOSED

    def answer(self) -> None:
        """Answer the signal from now on; in the worker."""
        faulthandler.register(STACK_SIGNAL, file=self._descriptor, all_threads=True)

    def ask(self, pid: int, pidfd: int, board: Board, token: int) -> str:
        """Ask a worker for the stack of its attempt; return why it could not be asked, else an empty text."""
        os.ftruncate(self._descriptor, 0)
        board.forget_tasks()
        signals = read_signals(pid)
        # Without a handler a signal would kill it; a descriptor closed and opened anew is somebody's file.
        if not signals.catches(STACK_SIGNAL):
            return NO_HANDLER
        if not self._is_open_in(pid):
            return CLOSED_DESCRIPTOR
        # Its other threads may answer.
        signal.pidfd_send_signal(pidfd, STACK_SIGNAL)
        if board.coroutine == token and signals.catches(TASKS_SIGNAL):
            signal.pidfd_send_signal(pidfd, TASKS_SIGNAL)
        return BLOCKED if signals.blocks(STACK_SIGNAL) else ""

    def _is_open_in(self, pid: int) -> bool:
        try:
            theirs = Path(f"/proc/{pid}/fd/{self._descriptor}").stat()
        except OSError:
            return False
        return os.path.samestat(theirs, os.fstat(self._descriptor))

    def dump(self) -> bytes:
        """Return what the worker has written so far."""
        size = os.fstat(self._descriptor).st_size
        return os.pread(self._descriptor, DUMP_BYTES, max(size - DUMP_BYTES, 0))

    async def wait(self, board: Board, token: int) -> None:
        """Return when what was asked for is there, when that takes too long, or when the worker has died."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PATIENCE_SECONDS
        before, dump = b"", b""
        while loop.time() < give_up_at and not (dump and dump == before and _has_told_tasks(board, token)):
            await asyncio.sleep(LOOK_SECONDS)
            if self._descriptor == CLOSED:
                return
            before, dump = dump, self.dump()


def _has_told_tasks(board: Board, token: int) -> bool:
    return board.coroutine != token or board.read_tasks(token) is not None


def stack_of(dump: bytes, tasks: str | None, why_none: str) -> Stack:
    """Return what a worker has told of its threads and its tasks; `why_none` is the reason if that is nothing."""
    text = _clip("\n\n".join(filter(None, (tasks, trim(dump)))))
    if text:
        return Stack(text)
    return Stack(missing=why_none or (NOT_IN_HANDLER if dump else NO_ANSWER))


def _clip(text: str) -> str:
    if len(text) <= STACK_CHARACTERS:
        return text
    kept = text[:STACK_CHARACTERS].rpartition("\n")[0]
    left_out = text.count("\n") - kept.count("\n")
    return f"{kept}\n  … {left_out} more lines"


def trim(dump: bytes) -> str:
    """Return the stacks without what lies below the handler, the job's own thread first; empty: nothing to tell."""
    threads = [_trim_thread(thread) for thread in dump.decode(errors="replace").split("\n\n")]
    # faulthandler names the oldest thread last.
    return "\n\n".join(thread for thread in reversed(threads) if thread)


def _trim_thread(text: str) -> str:
    head, *frames = text.strip("\n").split("\n")
    if not head.endswith(_HEAD):
        # The beginning was not read.
        return ""
    calls = [number for number, frame in enumerate(frames) if _CALLING in frame and frame.endswith(" in call")]
    del frames[calls[-1] if calls else len(frames) :]
    while frames and _is_machinery(frames[-1]):
        frames.pop()
    if frames and frames[-1] == _MORE:
        frames[-1] = f"  … and more frames: told are the innermost {len(frames) - 1}"
    return "\n".join((head, *frames)) if frames else ""


def _is_machinery(frame: str) -> bool:
    return frame.partition('"')[2].startswith(_MACHINERY)
