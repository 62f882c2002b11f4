"""What the workers of every peer run: plain functions, cheap to import, for some import them anew for each job."""

import os
import time


def mark(path: str) -> None:
    """Append `pid monotonic_ns` to the file, in one write."""
    started_ns = time.monotonic_ns()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{os.getpid()} {started_ns}\n".encode())
    os.close(descriptor)


def stay(path: str) -> None:
    """Do the same, and stay at the first attempt."""
    is_first = not os.path.exists(path)  # noqa: PTH110 - pathlib would be the dearest import here
    mark(path)
    if is_first:
        time.sleep(60)


def hang(how: str, path: str) -> None:
    """Hang as our own jobs do."""
    from jobworker.handlers.builtin import trial  # what only this one needs

    trial.hang(trial.Hang(how=how, started=path))  # type: ignore[arg-type]  # checked there
