"""Handlers that leave processes running, and a process that an import starts; workers load this file by its path."""

import importlib
import multiprocessing
import os
import resource
import subprocess
import time
from multiprocessing.pool import Pool
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from jobworker.handlers import handler

#: Alive before the first job of each worker.
HELPER = subprocess.Popen(["sleep", "1001"])
#: What one job opens and a later one finds.
POOLS: list[Pool] = []
MEMORY: list[SharedMemory] = []


@handler("leave.sleepers")
def leave_sleepers(count: int) -> list[int]:
    """Leave processes running, the first with something in its arguments that nobody may read."""
    return [os.getpid(), *(subprocess.Popen(["sleep", "1000"]).pid for _ in range(count))]


@handler("leave.kept", leftovers="keep")
def leave_kept() -> list[int]:
    """Leave a process that is to stay."""
    return [os.getpid(), subprocess.Popen(["sleep", "1002"]).pid]


@handler("leave.escapee")
def leave_escapee(path: str) -> int:
    """Leave a process of another session whose parent is dead, and fail."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note = Path(path + ".new")
            note.write_text(f"{os.getpid()}\n")
            note.rename(path)
            time.sleep(600)
        os._exit(0)
    while not os.path.exists(path):
        time.sleep(0.001)
    raise ValueError("no such luck")


@handler("leave.pool")
def leave_pool() -> int:
    """Leave a pool open, which replaces its workers when they die."""
    POOLS.append(multiprocessing.get_context("fork").Pool(2))
    return os.getpid()


@handler("leave.descriptors")
def leave_descriptors() -> list[int]:
    """Leave a process running, and no descriptor to look for it."""
    left = subprocess.Popen(["sleep", "1000"])
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(soft):
        try:
            os.dup(0)
        except OSError:
            break
    return [os.getpid(), left.pid]


@handler("memory.share")
def memory_share(text: str) -> list[Any]:
    """Put a text into shared memory, which starts multiprocessing's tracker, and return who that is."""
    memory = SharedMemory(create=True, size=64)
    buffer: Any = memory.buf
    buffer[: len(text)] = text.encode()
    MEMORY.append(memory)
    tracker: Any = importlib.import_module("multiprocessing.resource_tracker")
    return [os.getpid(), tracker._resource_tracker._pid, memory.name]


@handler("memory.read")
def memory_read(length: int) -> list[Any]:
    """Return what an earlier job has put there, read by its name, and remove it."""
    memory = MEMORY.pop()
    known = SharedMemory(memory.name)
    buffer: Any = known.buf
    text = bytes(buffer[:length]).decode()
    known.close()
    memory.close()
    memory.unlink()
    return [os.getpid(), text]


@handler("helper")
def helper() -> list[int]:
    """Return who was alive before the first job, if it still is."""
    return [os.getpid(), HELPER.pid] if HELPER.poll() is None else []
