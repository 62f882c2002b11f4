"""Handlers of the soak: one for each way in which an attempt ends. A copy is run, changed and broken."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Final, NoReturn

from jobworker.handlers import Job, handler

#: Longer than any soak: who is met after this was forgotten, not slow.
_FOREVER_SECONDS: Final = 86_400
_SLEEP: Final = ("sleep", str(_FOREVER_SECONDS))


@handler("soak.print")
def talk(job: Job) -> int:
    """Print through Python and through a process, and tell of progress."""
    for number in range(20):
        job.progress(number / 20, "printing")
        print("line", number, "x" * 100)
    return subprocess.run(["echo", "from below"], check=True).returncode


@handler("soak.retry")
def retry(job: Job) -> int:
    """Fail at first."""
    if job.attempt == 1:
        raise ValueError("not yet")
    return job.attempt


@handler("soak.fail")
def fail() -> NoReturn:
    """Fail."""
    raise ValueError("never")


@handler("soak.hang")
def hang() -> NoReturn:
    """Hang until the deadline, with a child and a process that has cut all ties, deaf to what can be ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(_SLEEP)
    _cut_loose()
    while True:
        time.sleep(_FOREVER_SECONDS)


@handler("soak.soft", timeout=20, soft_timeout=0.1)
def soft() -> None:
    """Be asked to end."""
    time.sleep(_FOREVER_SECONDS)


@handler("soak.hog")
def hog() -> int:
    """Take more memory than is allowed."""
    memory = b"x" * (128 << 20)
    time.sleep(_FOREVER_SECONDS)
    return len(memory)


@handler("soak.exit")
def leave() -> NoReturn:
    """End the worker, and leave it a process of another session to be found."""
    _cut_loose()
    os._exit(3)


@handler("soak.segfault")
def segfault() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


@handler("soak.leave")
def leave_running() -> None:
    """Leave a child, and a process that has cut all ties."""
    subprocess.Popen(_SLEEP)
    _cut_loose()


@handler("soak.wait")
def wait() -> None:
    """Wait to be cancelled."""
    time.sleep(_FOREVER_SECONDS)


def _cut_loose() -> None:
    """Start a process of another session whose parent is dead."""
    program = f"import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep({_FOREVER_SECONDS})"
    subprocess.run([sys.executable, "-ISc", program], check=True)
