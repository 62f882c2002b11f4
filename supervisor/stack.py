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

import jobworker.handlers.calling
from jobworker.supervisor.procfs import catches

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

    def ask(self, pid: int, pidfd: int) -> bool:
        """Ask a worker for its stack; False when its job has taken away what would answer."""
        os.ftruncate(self._descriptor, 0)
        # Without the handler the signal would kill it; a descriptor closed and opened anew is somebody's file.
        if not (self._is_open_in(pid) and catches(pid, STACK_SIGNAL)):
            return False
        signal.pidfd_send_signal(pidfd, STACK_SIGNAL)
        return True

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

    async def wait(self) -> bytes:
        """Return the dump that was asked for; what there is of it when that takes too long, or the worker dies."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PATIENCE_SECONDS
        dump = b""
        while loop.time() < give_up_at:
            await asyncio.sleep(LOOK_SECONDS)
            if self._descriptor == CLOSED:
                break
            before, dump = dump, self.dump()
            if dump and dump == before:
                break
        return dump


def trim(dump: bytes) -> str:
    """Return the stacks without what lies below the handler, the job's own thread first; empty: nothing to tell."""
    threads = [_trim_thread(thread) for thread in dump.decode(errors="replace").split("\n\n")]
    # faulthandler names the oldest thread last.
    return "\n\n".join(thread for thread in reversed(threads) if thread)[:STACK_CHARACTERS]


def _trim_thread(text: str) -> str:
    head, *frames = text.strip("\n").split("\n")
    if not head.endswith(_HEAD):
        # The beginning was not read.
        return ""
    calls = [number for number, frame in enumerate(frames) if _CALLING in frame and frame.endswith(" in call")]
    del frames[calls[-1] if calls else len(frames) :]
    while frames and _is_machinery(frames[-1]):
        frames.pop()
    return "\n".join((head, *frames)) if frames else ""


def _is_machinery(frame: str) -> bool:
    return frame.partition('"')[2].startswith(_MACHINERY)
