"""The states of a job, the outcomes of an attempt, and which may follow which."""

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job is; it stands in exactly one state index at any time."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    REJECTED = "rejected"
    UNHANDLED = "unhandled"
    BAD_RESULT = "bad_result"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    CANCELLED = "cancelled"
    SHUTDOWN = "shutdown"
    FENCED = "fenced"
    RECALLED = "recalled"
    HELD = "held"


class KilledBy(StrEnum):
    """On whose account a worker was killed."""

    DEADLINE = "deadline"
    MEMORY_LIMIT = "memory_limit"
    OOM_KILLER = "oom_killer"
    CANCEL = "cancel"
    DRAIN = "drain"
    FENCE = "fence"
    #: Its worker could not be worked with any more.
    SUPERVISOR = "supervisor"


ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})

#: Outcomes that put the job back and spend nothing.
FREE: Final = frozenset({Outcome.SHUTDOWN, Outcome.FENCED, Outcome.RECALLED, Outcome.HELD})
#: Outcomes that spend one of `max_attempts`.
FAILURES: Final = frozenset({Outcome.RAISED, Outcome.TIMED_OUT})
#: Outcomes that spend one of `max_crashes`.
CRASHES: Final = frozenset({Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.LOST})

TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.SCHEDULED: frozenset({JobState.PENDING, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.PENDING: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.RUNNING: frozenset(
        {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.SCHEDULED, JobState.PENDING}
    ),
    # Only by a client's `retry`.
    **dict.fromkeys(ENDED, frozenset({JobState.PENDING})),
}
