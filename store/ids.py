"""Ids of jobs: UUID version 7, so that they sort by time of creation."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_job_id() -> str:
    """Return a fresh id; monotonic within a process and safe after a fork."""
    return str(uuid7())


def is_job_id(text: str) -> bool:
    """Tell whether ``text`` is a UUID in its canonical form (any version: clients may bring their own)."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
