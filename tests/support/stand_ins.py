"""Processes that stand in for workers: real pids and real mailboxes, with the test as the worker's mind."""

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages
from jobworker.supervisor.board import Board
from jobworker.supervisor.mailbox import open_mailbox
from jobworker.supervisor.messages import Assignment, Hello, Message, Report
from jobworker.supervisor.pipes import OutputPipes
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.stack import StackFile

ENTRY = HandlerEntry("echo", {}, HandlerDefaults())
HELLO = Hello((ENTRY,), "digest")


class StandIns:
    """Forks nothing: each `fork` spawns a process that sleeps until it is killed."""

    def __init__(self) -> None:
        self.made: list[WorkerProcess] = []
        #: Raised by the next fork.
        self.failure: OSError | None = None

    def fork(self, _workers: int = 1) -> WorkerProcess:
        if self.failure is not None:
            raise self.failure
        # Not os.posix_spawn: its child closes our descriptors a moment after we go on.
        process = subprocess.Popen(["/bin/sleep", "600"])
        # Whoever tests reaps it.
        process.returncode = 0
        worker = WorkerProcess(process.pid, *open_mailbox(), Board(), OutputPipes.open(), StackFile())
        self.made.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.made:
            if not worker.reaped:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(worker.pid, signal.SIGKILL)
                    os.waitpid(worker.pid, 0)
                worker.close()


def say(worker: WorkerProcess, message: Message) -> None:
    """Write into the mailbox what the worker would write."""
    worker._theirs.send(messages.encode(message))


def report(worker: WorkerProcess, token: int = 100, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any) -> None:
    say(worker, Report(token, outcome, **fields))


def take(worker: WorkerProcess) -> Assignment:
    """Read the assignment that waits for the worker."""
    frame = next(worker._theirs.receive_waiting())
    assignment = messages.decode(frame)
    assert isinstance(assignment, Assignment)
    return assignment


def shoot(worker: WorkerProcess, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill it and wait until it is dead, without reaping it."""
    os.kill(worker.pid, number)
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
