"""Why a worker died, in words and in fields: the recorded intent first, the wait status second."""

import os
import signal
from typing import Final

import msgspec
from msgspec import Struct

from jobworker.store.states import KilledBy, Outcome
from jobworker.supervisor.oom import Evidence, Finding

_KILLED_BY: Final = {
    Outcome.TIMED_OUT: KilledBy.DEADLINE,
    Outcome.OUT_OF_MEMORY: KilledBy.MEMORY_LIMIT,
    Outcome.CANCELLED: KilledBy.CANCEL,
    Outcome.SHUTDOWN: KilledBy.DRAIN,
    Outcome.LOST: KilledBy.FENCE,
    Outcome.FENCED: KilledBy.FENCE,
    Outcome.CRASHED: KilledBy.SUPERVISOR,
}


#: What a worker that had a job was about when it died.
BEFORE_REPORT: Final = "before it reported"


class Intent(Struct, frozen=True):
    """Why the supervisor itself kills a worker."""

    outcome: Outcome
    #: Completes the sentence "the worker was killed …".
    why: str

    @property
    def killed_by(self) -> KilledBy:
        """On whose account that is."""
        return _KILLED_BY[self.outcome]


class Verdict(Struct, frozen=True):
    """The end of a worker that had an unreported job."""

    outcome: Outcome
    message: str
    signal: str | None = None
    exit_code: int | None = None
    killed_by: KilledBy | None = None


def judge(status: int, intent: Intent | None, evidence: Evidence | None = None, doing: str = BEFORE_REPORT) -> Verdict:
    """Return the verdict on a wait status as os.wait4 gives it.

    `evidence` is what was found of an OOM kill, None: nobody has looked yet. `doing` completes "it died …".
    """
    exit_code = os.waitstatus_to_exitcode(status)
    if intent is not None:
        # It may have died by itself just before: the words say what was meant, the fields what was found.
        return msgspec.structs.replace(
            _found(exit_code, doing), outcome=intent.outcome, message=f"killed {intent.why}", killed_by=intent.killed_by
        )
    return _judge_sigkill(evidence, doing) if exit_code == -signal.SIGKILL else _found(exit_code, doing)


def _found(exit_code: int, doing: str) -> Verdict:
    if exit_code >= 0:
        return Verdict(Outcome.CRASHED, f"exit code {exit_code} {doing}", exit_code=exit_code)
    name = signal_name(-exit_code)
    return Verdict(Outcome.CRASHED, f"{name} {doing}", signal=name)


def was_shot(status: int, intent: Intent | None) -> bool:
    """Whether it died of a SIGKILL that was not ours: only that may be the kernel's OOM killer."""
    return intent is None and os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def _judge_sigkill(evidence: Evidence | None, doing: str) -> Verdict:
    if evidence is not None and evidence.finding is Finding.OOM_KILL:
        message = f"killed by the kernel's OOM killer ({evidence.sentence})"
        return Verdict(Outcome.OUT_OF_MEMORY, message, signal="SIGKILL", killed_by=KilledBy.OOM_KILLER)
    known = "" if evidence is None else f" ({evidence.sentence})"
    who = "by the job itself or from outside" if doing == BEFORE_REPORT else "from outside"
    message = f"SIGKILL {doing}, sent {who}{known}"
    return Verdict(Outcome.CRASHED, message, signal="SIGKILL")


def signal_name(number: int) -> str:
    """Return `SIGSEGV` for 11; real-time signals, which have no name of their own, count from SIGRTMIN."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
