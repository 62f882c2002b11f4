"""What is due while an attempt runs, and when: one list, so that a job costs one entry among the deadlines."""

import enum
from operator import attrgetter
from typing import Final

from msgspec import Struct


class Step(enum.Enum):
    """What is done to an attempt that is still running."""

    SOFT_TIMEOUT = "soft_timeout"
    #: Ask in what it hangs.
    STACK = "stack"
    KILL = "kill"


class Due(Struct, frozen=True):
    """One step and when it is due."""

    #: Seconds since the attempt began.
    after_seconds: float
    step: Step


#: The signal of a soft timeout is sent twice: if it comes just before the handler begins to wait in the kernel, it does
#: not end the wait.
SOFT_AGAIN_SECONDS: Final = 0.1

#: Of an attempt with no deadline and nothing else to come.
NOTHING: Final[tuple[Due, ...]] = ()
#: So long before a deadline the stack is asked for: a worker that gets the CPU has written it by then.
STACK_SECONDS: Final = 0.02


def agenda_of(timeout_seconds: float | None, soft_timeout_seconds: float | None = None) -> tuple[Due, ...]:
    """Return the steps in the order in which they are due."""
    kill = NOTHING
    if timeout_seconds is not None:
        kill = (Due(max(timeout_seconds - STACK_SECONDS, 0.0), Step.STACK), Due(timeout_seconds, Step.KILL))
    if soft_timeout_seconds is None:
        return kill
    soft = (soft_timeout_seconds, soft_timeout_seconds + SOFT_AGAIN_SECONDS)
    due = [Due(seconds, Step.SOFT_TIMEOUT) for seconds in soft if timeout_seconds is None or seconds < timeout_seconds]
    return tuple(sorted((*due, *kill), key=attrgetter("after_seconds")))
