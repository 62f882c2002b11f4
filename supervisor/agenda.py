"""What is due while an attempt runs, and when: one list, so that a job costs one entry among the deadlines."""

import enum
from typing import Final

from msgspec import Struct


class Step(enum.Enum):
    """What is done to an attempt that is still running."""

    #: Ask in what it hangs.
    STACK = "stack"
    KILL = "kill"


class Due(Struct, frozen=True):
    """One step and when it is due."""

    #: Seconds since the attempt began.
    after_seconds: float
    step: Step


#: Of an attempt with no deadline and nothing else to come.
NOTHING: Final[tuple[Due, ...]] = ()
#: So long before a deadline the stack is asked for: a worker that gets the CPU has written it by then.
STACK_SECONDS: Final = 0.02


def agenda_of(timeout_seconds: float | None) -> tuple[Due, ...]:
    """Return the steps in the order in which they are due."""
    if timeout_seconds is None:
        return NOTHING
    return (Due(max(timeout_seconds - STACK_SECONDS, 0.0), Step.STACK), Due(timeout_seconds, Step.KILL))
