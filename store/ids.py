"""Ids of jobs: UUID version 7, so that they sort by time of creation."""

from typing import Final
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

#: The namespace of the ids that follow from a schedule.
_OCCURRENCES: Final = UUID("6f1b1c52-6f0c-4d53-9c0f-0f5f2f6b7a11")


def new_job_id() -> str:
    """Return a fresh id; monotonic within a process and safe after a fork."""
    return str(uuid7())


def is_job_id(text: str) -> bool:
    """Tell whether ``text`` is a UUID in its canonical form (any version: clients may bring their own)."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def occurrence_id(schedule: str, revision: int, due_ms: int) -> str:
    """Return the id of the job of one occurrence: who fires it a second time stores the same job."""
    return str(uuid5(_OCCURRENCES, f"{schedule} {revision} {due_ms}"))
