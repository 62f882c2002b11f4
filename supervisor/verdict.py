"""Why a worker died, in words and in fields: the recorded intent first, the wait status second."""

import os
import signal

from msgspec import Struct

from jobworker.store.states import Outcome


class Intent(Struct, frozen=True):
    """Why the supervisor itself kills a worker."""

    outcome: Outcome
    #: Completes the sentence "the worker was killed …".
    why: str


class Verdict(Struct, frozen=True):
    """The end of a worker that had an unreported job."""

    outcome: Outcome
    message: str
    signal: str | None = None
    exit_code: int | None = None


def judge(status: int, intent: Intent | None) -> Verdict:
    """Return the verdict on a wait status as os.wait4 gives it."""
    exit_code = os.waitstatus_to_exitcode(status)
    if intent is not None:
        return Verdict(intent.outcome, f"killed {intent.why}", signal="SIGKILL")
    if exit_code >= 0:
        return Verdict(Outcome.CRASHED, f"exit code {exit_code} before it reported", exit_code=exit_code)
    name = signal_name(-exit_code)
    hint = ", sent from outside (a person, or the kernel's OOM killer)" if name == "SIGKILL" else ""
    return Verdict(Outcome.CRASHED, f"{name} before it reported{hint}", signal=name)


def signal_name(number: int) -> str:
    """Return `SIGSEGV` for 11; real-time signals, which have no name of their own, count from SIGRTMIN."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
