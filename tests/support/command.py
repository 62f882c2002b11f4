"""A command of ours as a user runs it: a process whose output is read while it runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from tests.support.mortal import mortal
from tests.support.waiting import wait_until


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWORKER_")}
    return {**kept, **more}


class Command:
    """One process; killed at the end of the block if it still runs.

    `output`: where stdout and stderr go instead, not to be read here.
    """

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        environ: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> None:
        self._out = directory / "command.out"
        self._err = directory / "command.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                mortal(command),
                cwd=directory,
                env=environ or clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out if output is None else output,
                stderr=err if output is None else output,
            )

    @classmethod
    def jobworker(
        cls, *arguments: str, directory: Path, environ: Mapping[str, str] | None = None, output: int | None = None
    ) -> Self:
        """Start a command of ours."""
        return cls([sys.executable, "-P", "-m", "jobworker.cli", *arguments], directory, environ, output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_for(self, words: str, *, times: int = 1, timeout_seconds: float = 60) -> None:
        """Wait until stdout or stderr holds the words so many times; fail if the process ends without."""

        def said() -> bool:
            return (self.out + self.err).count(words) >= times

        wait_until(lambda: said() or self.process.poll() is not None, timeout_seconds)
        assert said(), f"{words!r} was never said\n{self.out}\n{self.err}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_seconds: float = 20) -> int:
        """Return its exit code."""
        return self.process.wait(timeout_seconds)

    def descendants(self) -> list[psutil.Process]:
        """Return the processes below it, as they are now."""
        return psutil.Process(self.process.pid).children(recursive=True)


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; who should reap an orphan is not our affair."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
