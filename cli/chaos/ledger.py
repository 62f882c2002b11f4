"""What handlers write down themselves, where no fault of ours reaches: one line a begin, one line an end."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jobworker.supervisor.board import boottime_ns

#: `failed`: the handler raised, as it was asked to.
Event = Literal["began", "ended", "failed"]


class Entry(Struct, frozen=True):
    """One line."""

    event: Event
    #: Of the request that made the job.
    number: int
    job_id: str
    attempt: int
    token: int
    worker_pid: int
    supervisor_pid: int
    #: By CLOCK_BOOTTIME, which no jump of the wall clock moves.
    at_ms: float


class Run(Struct):
    """One attempt as its handler saw it."""

    number: int
    job_id: str
    attempt: int
    token: int
    worker_pid: int
    supervisor_pid: int
    began_ms: float
    #: When it had done its work; None: it has not.
    ended_ms: float | None = None
    #: Whether it came to an end by itself, well or not.
    is_over: bool = False


def boottime_ms() -> float:
    """Return the time that the ledger and the faults are told by."""
    return boottime_ns() / 1e6


def append(path: Path, entry: Entry) -> None:
    """Write a line, and return when it is on the disk."""
    # One write of a file opened so: lines of many processes never mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(entry) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Ledger:
    """Reads what has been written, from where it stopped the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[Run] = []
        #: What each worker is at, as far as it has lived to tell.
        self.under_way: dict[int, Run] = {}
        self._decoder = msgspec.json.Decoder(Entry)
        self._position = 0
        path.touch(mode=0o600)

    def read(self) -> None:
        """Take in what is new."""
        with self.path.open("rb") as file:
            file.seek(self._position)
            lines = file.read().splitlines(keepends=True)
        for line in _whole(lines):
            self._position += len(line)
            self._take(self._decoder.decode(line))

    def _take(self, entry: Entry) -> None:
        if entry.event == "began":
            run = Run(
                entry.number,
                entry.job_id,
                entry.attempt,
                entry.token,
                entry.worker_pid,
                entry.supervisor_pid,
                entry.at_ms,
            )
            self.runs.append(run)
            self.under_way[entry.worker_pid] = run
            return
        run = self.under_way.pop(entry.worker_pid)
        run.is_over = True
        if entry.event == "ended":
            run.ended_ms = entry.at_ms


def _whole(lines: Iterable[bytes]) -> Iterable[bytes]:
    """Leave out a line that is still being written."""
    return (line for line in lines if line.endswith(b"\n"))
