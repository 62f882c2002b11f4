"""A job that runs until the test lets it end."""

import os
from pathlib import Path

from tests.support.waiting import wait_until


class Gate:
    """Holds attempts of the handler `gate`; each `open` lets one of them through."""

    def __init__(self, directory: Path, name: str = "gate") -> None:
        self._started = directory / f"{name}.started"
        self._pipe = directory / f"{name}.pipe"
        os.mkfifo(self._pipe)
        # Open both ways: neither side ever waits for the other to come, and no byte is lost.
        self._descriptor = os.open(self._pipe, os.O_RDWR)

    @property
    def payload(self) -> dict[str, str]:
        return {"started": str(self._started), "pipe": str(self._pipe)}

    def wait_for_attempt(self, number: int = 1) -> int:
        """Return the pid of the worker in which the attempt began."""
        wait_until(lambda: len(self.pids()) >= number, 20)
        return self.pids()[number - 1]

    def open(self) -> None:
        os.write(self._descriptor, b"x")

    def close(self) -> None:
        os.close(self._descriptor)

    def pids(self) -> list[int]:
        """Return the worker of each attempt so far."""
        # A line without its end is not whole yet.
        lines = self._started.read_text().split("\n")[:-1] if self._started.exists() else []
        return [int(line) for line in lines]
