"""Handlers that mistreat their worker, and some that wait to be let go; workers load this file by its path."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any

from msgspec import Struct

from jobworker.handlers import Job, handler


class Gate(Struct):
    """A file that the pid goes to, and a named pipe of which one byte lets one attempt through."""

    started: str
    pipe: str


def write_line(path: str, *words: object) -> None:
    """Add a line, in one write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


def wait_at(gate: Gate) -> None:
    """Write down who is here, and wait for one byte."""
    write_line(gate.started, os.getpid())
    descriptor = os.open(gate.pipe, os.O_RDONLY)
    os.read(descriptor, 1)
    os.close(descriptor)


@handler
def gate(payload: Gate, job: Job) -> int:
    """Return the number of the attempt, once let go."""
    wait_at(payload)
    return job.attempt


@handler("gate.exclusive", exclusive=True)
def gate_exclusive(payload: Gate, job: Job) -> int:
    """Return the number of the attempt, once let go; no two of them may overlap."""
    wait_at(payload)
    return job.attempt


@handler("gate.unbounded", timeout=None)
def gate_unbounded(payload: Gate) -> str:
    """Wait without a deadline."""
    wait_at(payload)
    return "let go"


@handler("gate.forks")
def gate_forks(payload: Gate, job: Job) -> int:
    """On the first attempt leave a forked process of another session, which says its pid and stays."""
    if job.attempt == 1:
        if os.fork() == 0:
            os.setsid()
            write_line(payload.started, os.getpid())
            time.sleep(600)
            os._exit(0)
        time.sleep(600)
    return job.attempt


@handler("gate.executes")
def gate_executes(payload: Gate, job: Job) -> int:
    """On the first attempt leave a program of another session, and stay."""
    if job.attempt == 1:
        left = subprocess.Popen(["sleep", "600"], start_new_session=True)
        write_line(payload.started, left.pid)
        time.sleep(600)
    return job.attempt


@handler
def segfault() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


@handler("segfault.until")
def segfault_until(path: str) -> str:
    """Read where nothing is, until there is a file."""
    if not os.path.exists(path):
        ctypes.string_at(0)
    return "mended"


@handler("close.all")
def close_all() -> str:
    """Close every descriptor there is, the mailbox's too."""
    os.closerange(0, 4096)
    return "closed"


@handler("detach")
def detach() -> str:
    """Take the buffer away from both streams."""
    sys.stdout.detach()  # type: ignore[union-attr]
    sys.stderr.detach()  # type: ignore[union-attr]
    return "detached"


@handler("exit")
def exit_(code: int) -> None:
    """End the process."""
    os._exit(code)


@handler
def environment() -> dict[str, list[str]]:
    """Return what is set of ours, here and in a process started from here."""
    listed = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    return {
        "here": [f"{name}={value}" for name, value in os.environ.items()],
        "below": listed.splitlines(),
    }


@handler("tasks.leave")
async def tasks_leave(path: str) -> int:
    """Leave a task that says when it is cancelled."""

    async def stay() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            write_line(path, "cancelled")

    left = asyncio.create_task(stay())
    await asyncio.sleep(0)
    assert not left.done()
    return os.getpid()


@handler("tasks.count")
async def tasks_count() -> list[int]:
    """Return the pid and how many tasks there are."""
    return [os.getpid(), len(asyncio.all_tasks())]


@handler("children.leave")
def children_leave() -> int:
    """Leave a child that has ended, and an orphan that has."""
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    return os.getpid()


@handler("threads.use")
async def threads_use() -> int:
    """Use the loop's threads as look-ups of host names do."""
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    return await asyncio.to_thread(os.getpid)


@handler("stop.itself")
def stop_itself(started: str) -> None:
    """Stop, as SIGSTOP does it, and never go on."""
    write_line(started, os.getpid(), time.monotonic_ns())
    os.kill(os.getpid(), signal.SIGSTOP)


@handler("say.queue")
def say_queue(payload: Any, job: Job) -> str:
    """Return the queue that the job came from."""
    return job.queue
