"""An `exec` handler: a program that reads its payload from stdin and writes its result to stdout."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import Raw

from jobworker.handlers.context import Job
from jobworker.handlers.errors import InvalidDeclaration, ProgramFailed
from jobworker.handlers.foreign.conversation import Conversation
from jobworker.handlers.foreign.result import json_result
from jobworker.handlers.foreign.stderr import StderrLines
from jobworker.handlers.outcomes import Retry

#: The exit code that asks for another attempt (sysexits.h: EX_TEMPFAIL).
TRY_AGAIN: Final = 75
#: What every variable that tells of the job begins with.
VARIABLE_PREFIX: Final = "JOBWORKER_JOB_"


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what it is started with."""

    command: tuple[str, ...]
    folder: Path
    #: Added to the worker's environment, which has lost its secrets.
    variables: Mapping[str, str]

    @classmethod
    def find(cls, command: tuple[str, ...], home: Path, folder: Path, variables: Mapping[str, str]) -> "Program":
        """Look for its executable, from `home`, where its declaration stands. Raises InvalidDeclaration."""
        if not folder.is_dir():
            raise InvalidDeclaration(f"is to run in {folder}, which is not a folder")
        return cls((_executable(command[0], home, variables), *command[1:]), folder, variables)

    def run(self, payload: bytes, job: Job) -> Raw | None:
        """Return what it wrote to stdout; None: nothing. Raises Retry, BadResult or ProgramFailed."""
        stderr = StderrLines(job)
        with self._start(job) as process:
            try:
                with closing(Conversation(process, payload, stderr)) as conversation:
                    written = conversation.run()
            except BaseException:
                process.kill()
                raise
        _raise_unless_zero(process.returncode, stderr.last_lines())
        return json_result(written, "what the program wrote to stdout")

    def _start(self, job: Job) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        environ = {**_without_trace(os.environ), **self.variables, **variables_of(job)}
        try:
            return subprocess.Popen(
                self.command, cwd=self.folder, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
            )
        except OSError as error:
            raise ProgramFailed(_why_not_started(error, self.command[0])) from None


def variables_of(job: Job) -> dict[str, str]:
    """Return what a program finds of its job in the environment; without a deadline there is none."""
    left = job.seconds_left
    told: dict[str, object] = {
        "ID": job.id,
        "TYPE": job.type,
        "QUEUE": job.queue,
        "ATTEMPT": job.attempt,
        "MAX_ATTEMPTS": job.max_attempts,
        "TOKEN": job.fencing_token,
    }
    if left is not None:
        told["DEADLINE"] = f"{time.time() + left:.3f}"
    trace = {name.upper(): value for name, value in job.trace_headers.items()}
    return {**{f"{VARIABLE_PREFIX}{name}": str(value) for name, value in told.items()}, **trace}


def _without_trace(environ: Mapping[str, str]) -> dict[str, str]:
    # Whoever started the supervisor may have left his own there.
    return {name: value for name, value in environ.items() if name not in ("TRACEPARENT", "TRACESTATE")}


def _executable(name: str, home: Path, variables: Mapping[str, str]) -> str:
    if "/" not in name:
        found = shutil.which(name, path=variables.get("PATH"))
        if found is None:
            raise InvalidDeclaration(f"runs {name}, which is not on PATH; a file of its own folder is ./{name}")
        return found
    path = home / name
    if not path.is_file():
        raise InvalidDeclaration(f"runs {path}, which " + ("is not a file" if path.exists() else "does not exist"))
    if not os.access(path, os.X_OK):
        raise InvalidDeclaration(f"runs {path}, which may not be executed: chmod +x {path}")
    return str(path)


def _why_not_started(error: OSError, executable: str) -> str:
    why = f"{error.filename or executable} cannot be run: {error.strerror}"
    # The kernel says of a script that has no interpreter that the script does not exist.
    return f"{why} (or the interpreter that its first line names)" if Path(executable).exists() else why


def _raise_unless_zero(code: int, last_lines: str) -> None:
    if code == 0:
        return
    if code == TRY_AGAIN:
        raise Retry(reason=last_lines.rpartition("\n")[2] or f"exit code {TRY_AGAIN}")
    fate = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
    raise ProgramFailed(f"{fate}: {last_lines}" if last_lines else fate)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
