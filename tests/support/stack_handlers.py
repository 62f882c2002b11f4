"""Jobs that hang where a stack is worth seeing. Each writes its pid into the file that its payload names first."""

import asyncio
import ctypes
import os
import re
import signal
import threading
import time
from pathlib import Path

from msgspec import Struct

from jobworker.handlers import handler
from jobworker.supervisor.stack import STACK_SIGNAL


class Where(Struct):
    path: str


def begin(where: Where) -> None:
    new = Path(where.path + ".new")
    new.write_text(f"{os.getpid()}\n")
    new.rename(where.path)


@handler("hangs.loop")
def hangs_loop(where: Where) -> None:
    begin(where)
    while True:
        pass


@handler("hangs.regex")
def hangs_regex(where: Where) -> None:
    begin(where)
    re.match(r"(a+)+$", "a" * 64 + "b")


@handler("hangs.locked")
def hangs_locked(where: Where) -> None:
    """Wait in the kernel with the GIL held."""
    reading, _ = os.pipe()
    begin(where)
    ctypes.PyDLL(None).read(reading, ctypes.create_string_buffer(1), 1)


@handler("hangs.sleep")
def hangs_sleep(where: Where) -> None:
    begin(where)
    time.sleep(600)


@handler("hangs.async")
async def hangs_async(where: Where) -> None:
    begin(where)
    await asyncio.sleep(0)
    time.sleep(600)  # noqa: ASYNC251 - it blocks its loop, as somebody's will


@handler("hangs.await")
async def hangs_await(where: Where) -> None:
    begin(where)
    await asyncio.gather(awaits_beside(), asyncio.sleep(600))


async def awaits_beside() -> None:
    await asyncio.Event().wait()


@handler("hangs.deep")
def hangs_deep(where: Where) -> None:
    begin(where)
    deepen(500)


def deepen(depth: int) -> None:
    if depth:
        deepen(depth - 1)
    time.sleep(600)


@handler("hangs.blocked")
def hangs_blocked(where: Where) -> None:
    """Block every signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    begin(where)
    time.sleep(600)


@handler("hangs.threads")
def hangs_threads(where: Where) -> None:
    threading.Thread(target=hangs_beside, name="beside").start()
    begin(where)
    threading.Event().wait()


def hangs_beside() -> None:
    time.sleep(600)


@handler("hangs.closed")
def hangs_closed(where: Where) -> None:
    """Close every descriptor, and have files of its own under their numbers."""
    begin(where)
    os.closerange(3, 256)
    for _ in range(64):
        os.open(where.path, os.O_RDWR | os.O_APPEND)
    time.sleep(600)


@handler("hangs.deaf")
def hangs_deaf(where: Where) -> None:
    """Take away every handler of a signal."""
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
            ctypes.CDLL(None).signal(number, 0)
    assert STACK_SIGNAL < signal.NSIG
    begin(where)
    time.sleep(600)
