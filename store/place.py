"""Where a job stands: the one state index that names it, and how."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from jobworker.store.keys import Keys
from jobworker.store.states import ENDED, JobState

#: Fields by which scripts reckon: where one is no number, nobody knows what becomes of the job.
_NUMBERS: Final = ("created_ms", "expires_ms", "failures", "crashes", "max_attempts", "max_crashes", "timeout_ms")
#: The fields of a job's record that say where it stands, and whether it is whole.
PLACE_FIELDS: Final = (
    *("status", "queue", "priority", "sequence", "owner", "epoch", "token"),
    *("run_at_ms", "ended_ms"),
    *_NUMBERS,
)


class Place(Struct, frozen=True):
    """An entry of a state index: the index's key and the entry's score; of a running job the token."""

    index: str
    score: int


def place_of(keys: Keys, job: Mapping[str, str]) -> Place:
    """Return where a job with these fields has to stand. Raises KeyError or ValueError for a damaged record."""
    for name in _NUMBERS:
        int(job.get(name, 0))
    status = JobState(job["status"])
    if status in ENDED:
        return Place(keys.ended(status), int(job["ended_ms"]))
    if status is JobState.RUNNING:
        return Place(keys.running(job["owner"], int(job["epoch"])), int(job["token"]))
    if status is JobState.SCHEDULED:
        return Place(keys.scheduled, int(job["run_at_ms"]))
    return Place(keys.ready(job["queue"]), (10 - int(job["priority"])) * 2**44 + int(job["sequence"]))
